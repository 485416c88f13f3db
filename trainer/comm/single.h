#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "comm/communicator.h"

namespace ebb::comm {

// The communicator of a run of one rank: every collective is done when start() returns. It checks its
// arguments as the others do, so that code that is wrong on two ranks is refused on one.
class Single final : public Communicator {
 public:
  explicit Single(at::Device device) : device_(device) {}
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  [[nodiscard]] std::string_view backend() const override { return "single"; }
  [[nodiscard]] std::unique_ptr<Work> start(Collective collective) override;
  void abort(std::string_view reason) override;

 private:
  at::Device device_;
  std::mutex mutex_;  // guards what abort() writes
  bool aborted_ = false;
  std::string reason_;
};

}  // namespace ebb::comm
