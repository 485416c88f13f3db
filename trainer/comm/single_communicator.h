// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "comm/communicator.h"

namespace ebb::comm {

// The communicator of a run with one rank. A collective is complete when start() returns. It checks
// its arguments like the other communicators, so one rank also refuses code that is wrong for two.
class SingleCommunicator final : public Communicator {
 public:
  explicit SingleCommunicator(at::Device device) : device_(device) {}
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  [[nodiscard]] std::string_view backend() const override { return "single"; }
  [[nodiscard]] std::unique_ptr<Work> start(Collective collective) override;
  void abort(std::string_view reason) override;

 private:
  at::Device device_;
  std::mutex mutex_;  // guards the members below
  bool aborted_ = false;
  std::string reason_;
};

}  // namespace ebb::comm
