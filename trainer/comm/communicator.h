#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ebb::comm {

enum class ReduceOp { sum, max, min };
enum class Kind { all_reduce, reduce_scatter, all_gather, broadcast, barrier };

// One collective. Tensors are contiguous, on the communicator's device, of the same dtype and size on every
// rank, and stay alive and untouched until wait(). Dtypes: fp16, bf16, fp32, fp64, int64, int32, uint8. fp16
// and bf16 are summed in fp32 in rank order.
struct Collective {
  Kind kind = Kind::barrier;
  at::Tensor input;   // all_reduce, broadcast: read and written in place
  at::Tensor output;  // reduce_scatter: input.numel() / size elements; all_gather: input.numel() * size
  ReduceOp op = ReduceOp::sum;
  int root = 0;
  std::string label;  // what it is for: "gradients decoder", named in every error
};

// A collective under way.
class Work {
 public:
  virtual ~Work() = default;
  // Returns when it is done. Throws Error(communication) after the communicator's time limit or on a lost
  // rank: rank, host, collective, label, sequence number, bytes, seconds, and who did not arrive where that
  // is known.
  virtual void wait() = 0;
  // How long it was under way on this rank, from its turn to its end; after wait(). 0 where that is not
  // known.
  [[nodiscard]] virtual double seconds() const { return 0; }
};

// Ranks that compute together. Every rank starts the same collectives in the same order. One thread at a
// time.
class Communicator {
 public:
  virtual ~Communicator() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  [[nodiscard]] virtual std::string_view backend() const = 0;  // "single", "mpi", "nccl"
  [[nodiscard]] virtual std::unique_ptr<Work> start(Collective collective) = 0;
  // Ends the collectives under way on this rank with an Error; others notice by their time limit or at once.
  // Thread-safe.
  virtual void abort(std::string_view reason) = 0;

  void all_reduce(const at::Tensor& tensor, std::string label, ReduceOp op = ReduceOp::sum);
  void reduce_scatter(const at::Tensor& input, const at::Tensor& output, std::string label);
  void all_gather(const at::Tensor& input, const at::Tensor& output, std::string label);
  void broadcast(const at::Tensor& tensor, int root, std::string label);
  void barrier(std::string label);
};

}  // namespace ebb::comm
