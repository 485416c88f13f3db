// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/unit.h"

namespace ebb::parallel {

// Takes each gradient as soon as autograd has it, packs it into flat buckets and reduces a full bucket while
// backward continues. Between steps it holds no memory: a bucket is allocated when its first gradient
// arrives, and the tensors that finish() returns own it.
//
// Invariants:
//  1. Buckets hold parameters in the reverse of their given order, roughly the order of backward.
//  2. Every rank starts the reductions in bucket order, regardless of the order in which gradients arrive.
//  3. A parameter's .grad is undefined outside backward.
//  4. The reduction of a bucket starts only after each of its parameters has received as many gradients as
//  core::Parameter::gradients_per_backward declares. finish() starts the remaining reductions.
//  5. Several gradients of one parameter are summed.
class GradientReducer {
 public:
  // `owner`: the owner tag of its buckets in the ledger.
  GradientReducer(std::vector<core::Parameter> parameters, comm::Communicator& communicator,
                  std::int64_t bucket_bytes, std::int64_t micro_batches, std::string owner = "bucket");
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  struct MicroBatchOptions {
    bool last = true;  // the last micro-batch before finish(): complete buckets are reduced while it runs
    // A parameter may get no gradient on some ranks or on all. Its missing gradient counts as zero.
    bool allow_unused = false;
  };
  // Call it before the first backward of each micro-batch; a micro-batch may have several. Without this call
  // all buckets are reduced in finish().
  void begin_micro_batch(const MicroBatchOptions& options);
  // Call it after the last backward. Waits for all buckets, and returns the gradients in the order of the
  // parameters, each [numel]. They are summed over ranks and micro-batches, and still multiplied by the loss
  // scale. They are in fp32 if there are several micro-batches or if any parameter's
  // `gradients_per_backward` is not 1, else in the run's dtype. Error(internal) names a parameter without a
  // gradient, if the options of the last micro-batch do not allow that.
  [[nodiscard]] std::vector<at::Tensor> finish();
  // Of the collectives since the previous finish(): their time, and the part of it that the last finish()
  // waited for. The rest overlapped with backward.
  struct Time {
    double under_way_s = 0, waited_s = 0;
  };
  [[nodiscard]] const Time& time() const { return time_; }

 private:
  static constexpr MicroBatchOptions kNotBegun{.last = false, .allow_unused = false};
  struct Bucket;
  struct Hook;
  void add(std::size_t parameter);  // from the hook, in autograd's thread
  [[nodiscard]] bool is_complete(const Bucket& bucket) const;
  void start_complete();
  void start_all();
  void start(Bucket& bucket);
  void allocate(Bucket& bucket);

  std::vector<core::Parameter> parameters_;
  comm::Communicator& communicator_;
  std::string owner_;
  bool accumulate_;  // sums are in fp32
  MicroBatchOptions micro_batch_ = kNotBegun;
  std::size_t next_to_start_ = 0;
  Time time_;
  std::vector<Bucket> buckets_;
  std::vector<std::pair<std::size_t, std::size_t>> slots_;  // parameter -> (bucket, position in it)
};

}  // namespace ebb::parallel
