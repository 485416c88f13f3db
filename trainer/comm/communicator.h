// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ebb::comm {

enum class ReduceOp { sum, max, min };
enum class CollectiveKind { all_reduce, reduce_scatter, all_gather, broadcast, barrier };

// One collective. Tensors are contiguous, on the communicator's device, and have the same dtype and
// size on all ranks. The caller must neither free nor access them before wait() returns. Dtypes:
// fp16, bf16, fp32, fp64, int64, int32, uint8. MPI sums in rank order, fp16 and bf16 in fp32. NCCL
// chooses its own order and precision.
struct Collective {
  CollectiveKind kind = CollectiveKind::barrier;
  at::Tensor input;   // all_reduce, broadcast: updated in place
  at::Tensor output;  // reduce_scatter: input.numel() / size elements; all_gather: input.numel() * size
  ReduceOp op = ReduceOp::sum;
  int root = 0;
  std::string label;  // its purpose, such as "gradients decoder"; every error names it
};

// A collective in progress.
class Work {
 public:
  virtual ~Work() = default;
  // Waits for the end of the collective. Throws Error(communication) after the communicator's time
  // limit or if a rank is lost. The message has rank, host, collective, label, sequence number,
  // bytes, seconds, and the missing rank if it is known.
  virtual void wait() = 0;
  // Its duration on this rank, without the time in the queue. Valid after wait(). 0 if unknown.
  [[nodiscard]] virtual double seconds() const { return 0; }
};

// Collectives among a group of ranks. All ranks start the same collectives in the same order. One
// thread at a time, except for abort().
class Communicator {
 public:
  virtual ~Communicator() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  [[nodiscard]] virtual std::string_view backend() const = 0;  // "single", "mpi", "nccl"
  // Starts a collective and returns at once. Error(internal) for an invalid one (see check.h). The
  // communicator must outlive the Work. Dropping the Work does not cancel the collective.
  [[nodiscard]] virtual std::unique_ptr<Work> start(Collective collective) = 0;
  // Ends all current and later collectives on this rank with an Error that has the reason. The
  // other ranks notice at once or by their time limit. Thread-safe.
  virtual void abort(std::string_view reason) = 0;

  // Start a collective and wait for its end.
  void all_reduce(const at::Tensor& tensor, std::string label, ReduceOp op = ReduceOp::sum);
  void reduce_scatter(const at::Tensor& input, const at::Tensor& output, std::string label);
  void all_gather(const at::Tensor& input, const at::Tensor& output, std::string label);
  void broadcast(const at::Tensor& tensor, int root, std::string label);
  void barrier(std::string label);
};

}  // namespace ebb::comm
