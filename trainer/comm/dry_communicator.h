// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "comm/communicator.h"

namespace ebb::comm {

// One rank of `size` in a dry run, for tensors on the meta device. It moves nothing, and a collective is
// complete when start() returns. It checks its arguments like the other communicators. For ranks on CPUs it
// holds as much memory (class communication) as theirs. For ranks on GPUs it holds none, since NCCL's own
// memory is outside LibTorch's allocator.
class DryCommunicator final : public Communicator {
 public:
  DryCommunicator(int rank, int size, at::DeviceType trained_on = at::kCPU);
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] std::string_view backend() const override { return "dry"; }
  [[nodiscard]] std::unique_ptr<Work> start(Collective collective) override;
  void abort(std::string_view) override {}

 private:
  int rank_, size_;
  at::Tensor staging_;
};

}  // namespace ebb::comm
