// SPDX-License-Identifier: Apache-2.0
#include "telemetry/metrics_port.h"

#include <fmt/format.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "telemetry/exposition.h"

namespace ebb::telemetry {
namespace {

constexpr int kTries = 11;
constexpr auto kBetween = std::chrono::milliseconds(500);

class Collector final : public prometheus::Collectable {
 public:
  Collector(const NodeMetrics& node, const RunMetrics* run) : node_(node), run_(run) {}
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
    return metric_families(node_, run_);
  }

 private:
  const NodeMetrics& node_;
  const RunMetrics* run_;
};

// As civetweb expects them. "+" means IPv6 and IPv4; a host without IPv6 refuses it.
std::vector<std::string> listening_ports(const std::string& address, int port) {
  if (address == "all") return {fmt::format("+{}", port), std::to_string(port)};
  const bool v6 = address.find(':') != std::string::npos;
  return {fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "", port)};
}

std::unique_ptr<prometheus::Exposer> listen(const std::string& ports) {
  std::vector<std::string> options = {"listening_ports", ports, "num_threads",
                                      std::to_string(MetricsPort::kClients)};
  options.insert(options.end(), {"request_timeout_ms", std::to_string(1000 * MetricsPort::kIdle_s)});
  try {
    return std::make_unique<prometheus::Exposer>(options);
  } catch (const std::runtime_error&) {  // civetweb gives no reason
    return nullptr;
  }
}

}  // namespace

struct MetricsPort::Impl {
  std::shared_ptr<Collector> collector;
  std::unique_ptr<prometheus::Exposer> exposer;
};

MetricsPort::MetricsPort(const std::string& address, int port, const NodeMetrics& node, const RunMetrics* run)
    : impl_(std::make_unique<Impl>()) {
  impl_->collector = std::make_shared<Collector>(node, run);
  // A rank of an earlier run that was just killed may still hold the port.
  for (int tries = 0; tries < kTries && !impl_->exposer; ++tries) {
    if (tries > 0) std::this_thread::sleep_for(kBetween);
    for (const std::string& ports : listening_ports(address, port))
      if (!impl_->exposer) impl_->exposer = listen(ports);
  }
  if (!impl_->exposer)
    throw Error(
        ExitCode::communication,
        fmt::format("telemetry.port: port {} cannot be opened on {} (telemetry.address={}): another process "
                    "has it (another run?), it needs privileges, or the host has not this address. Set "
                    "telemetry.port to a free one above 1023, or to 0 for no server",
                    port, node.node_name(), address));
  impl_->exposer->RegisterCollectable(impl_->collector);
}

MetricsPort::~MetricsPort() = default;

}  // namespace ebb::telemetry
