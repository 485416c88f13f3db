// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "telemetry/exposition.h"

namespace ebb::telemetry {
namespace {

constexpr int kTries = 11;
constexpr auto kBetween = std::chrono::milliseconds(500);

class Board final : public prometheus::Collectable {
 public:
  Board(const NodeBoard& board, const RunNumbers* run) : board_(board), run_(run) {}
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
    return metric_families(board_, run_);
  }

 private:
  const NodeBoard& board_;
  const RunNumbers* run_;
};

std::unique_ptr<prometheus::Exposer> listen(const std::string& address) {
  try {
    return std::make_unique<prometheus::Exposer>(address, 1);
  } catch (const std::runtime_error&) {  // civetweb gives no reason
    return nullptr;
  }
}

}  // namespace

struct MetricsPort::Impl {
  std::shared_ptr<Board> board;
  std::unique_ptr<prometheus::Exposer> exposer;
};

MetricsPort::MetricsPort(int port, const NodeBoard& board, const RunNumbers* run)
    : impl_(std::make_unique<Impl>()) {
  impl_->board = std::make_shared<Board>(board, run);
  // A rank of the run before, which was killed a moment ago, may have it still.
  for (int tries = 0; tries < kTries && !impl_->exposer; ++tries) {
    if (tries > 0) std::this_thread::sleep_for(kBetween);
    // "+" is IPv6 and IPv4 together, which a host without IPv6 refuses.
    impl_->exposer = listen(fmt::format("+{}", port));
    if (!impl_->exposer) impl_->exposer = listen(std::to_string(port));
  }
  if (!impl_->exposer)
    throw Error(ExitCode::communication,
                fmt::format("telemetry.port: port {} cannot be served on {}: another process has it (another "
                            "run?), or it needs rights. Set telemetry.port to a free one above 1023, or to 0 "
                            "for none",
                            port, board.node()));
  impl_->exposer->RegisterCollectable(impl_->board);
}

MetricsPort::~MetricsPort() = default;

}  // namespace ebb::telemetry
