// SPDX-License-Identifier: Apache-2.0
// Collectives of GPU tensors over NCCL. Part of libebb_cuda.so.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <nccl.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "comm/check.h"
#include "comm/nccl.h"

namespace ebb::comm {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPollInterval = std::chrono::microseconds(50);

void check_call(cudaError_t code, const char* what) {
  if (code != cudaSuccess)
    throw Error(ExitCode::communication, fmt::format("{} failed: CUDA reports {} ({})", what,
                                                     cudaGetErrorName(code), cudaGetErrorString(code)));
}

// ncclInProgress is no failure: the communicator is non-blocking, and poll_until() waits for it.
void check_call(ncclResult_t code, ncclComm_t comm, const std::string& what) {
  if (code == ncclSuccess || code == ncclInProgress) return;
  throw Error(ExitCode::communication,
              fmt::format("{} failed: NCCL reports {}; {}", what, ncclGetErrorString(code),
                          comm != nullptr ? ncclGetLastError(comm) : "there are no details"));
}

ncclDataType_t type_of(at::ScalarType type) {
  switch (type) {
    case at::kHalf:
      return ncclFloat16;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kLong:
      return ncclInt64;
    case at::kInt:
      return ncclInt32;
    default:
      return ncclUint8;
  }
}

ncclRedOp_t op_of(ReduceOp op) {
  return op == ReduceOp::sum ? ncclSum : op == ReduceOp::max ? ncclMax : ncclMin;
}

class NcclCommunicator;

// wait() returns once the device has passed the event after the collective.
class NcclWork final : public Work {
 public:
  NcclWork(NcclCommunicator& owner, Collective collective, std::uint64_t sequence, cudaEvent_t done)
      : owner_(owner),
        collective_(std::move(collective)),
        sequence_(sequence),
        done_(done),
        started_(Clock::now()) {}
  ~NcclWork() override { cudaEventDestroy(done_); }
  void wait() override;

 private:
  NcclCommunicator& owner_;
  Collective collective_;
  std::uint64_t sequence_;
  cudaEvent_t done_;
  Clock::time_point started_;
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(const char* id, int rank, int size, int device, double timeout_s)
      : rank_(rank), size_(size), device_(device), timeout_s_(timeout_s) {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
    check_call(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making NCCL's stream");
    ncclUniqueId unique{};
    std::copy_n(id, sizeof unique.internal, unique.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    check_call(ncclCommInitRankConfig(&comm_, size, unique, rank, &config), comm_,
               "joining the ranks over NCCL");
    poll_until([] { return true; }, Clock::now(), "joining the ranks over NCCL");
  }

  ~NcclCommunicator() override {
    if (comm_ == nullptr) return;
    if (aborted_.load()) return;
    ncclCommFinalize(comm_);
    ncclResult_t state = ncclInProgress;
    for (const auto start = Clock::now(); Clock::now() - start < std::chrono::seconds(10);) {
      if (ncclCommGetAsyncError(comm_, &state) != ncclSuccess || state != ncclInProgress) break;
      std::this_thread::sleep_for(kPollInterval);
    }
    ncclCommDestroy(comm_);
    cudaStreamDestroy(stream_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string_view backend() const override { return "nccl"; }

  std::unique_ptr<Work> start(Collective c) override {
    check(c, size_, at::kCUDA);
    refuse_after_abort(std::string(name(c.kind)));
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device_));
    const std::uint64_t sequence = ++sequence_;
    cudaEvent_t ready = nullptr, done = nullptr;
    check_call(cudaEventCreateWithFlags(&ready, cudaEventDisableTiming), "making an event");
    check_call(cudaEventCreateWithFlags(&done, cudaEventDisableTiming), "making an event");
    check_call(cudaEventRecord(ready, c10::cuda::getCurrentCUDAStream()), "recording an event");
    check_call(cudaStreamWaitEvent(stream_, ready, 0), "ordering NCCL's stream");
    cudaEventDestroy(ready);
    const std::string what =
        fmt::format("{} \"{}\" (number {}) on rank {}", name(c.kind), c.label, sequence, rank_);
    check_call(launch(c), comm_, what);
    poll_until([] { return true; }, Clock::now(), what);  // enqueued
    check_call(cudaEventRecord(done, stream_), "recording an event");
    return std::make_unique<NcclWork>(*this, std::move(c), sequence, done);
  }

  void abort(std::string_view reason) override {
    {
      const std::lock_guard lock(mutex_);
      if (reason_.empty()) reason_ = reason;
    }
    if (!aborted_.exchange(true) && comm_ != nullptr) ncclCommAbort(comm_);
  }

  // Polls NCCL's errors and `done` until `done` returns true. Error(communication) after the time
  // limit.
  template <class Done>
  void poll_until(Done done, Clock::time_point started, const std::string& what) {
    for (;;) {
      refuse_after_abort(what);
      ncclResult_t state = ncclSuccess;
      check_call(ncclCommGetAsyncError(comm_, &state), comm_, what);
      check_call(state, comm_, what);
      if (state == ncclSuccess && done()) return;
      const double waited = std::chrono::duration<double>(Clock::now() - started).count();
      if (waited > timeout_s_) {
        abort("its time limit");
        throw Error(
            ExitCode::communication,
            fmt::format("{} did not complete within its limit of {} s (waited {:.1f} s): a rank has not "
                        "started it or is stopped, or the network between the GPUs does not work. Look "
                        "at the last lines of the other ranks; parallel.timeout sets the limit",
                        what, timeout_s_, waited));
      }
      std::this_thread::sleep_for(kPollInterval);
    }
  }

  // The next work on the caller's stream runs after the collective.
  void order_after(cudaEvent_t done) {
    check_call(cudaStreamWaitEvent(c10::cuda::getCurrentCUDAStream(), done, 0), "ordering the stream");
  }

 private:
  void refuse_after_abort(const std::string& what) {
    if (!aborted_.load()) return;
    const std::lock_guard lock(mutex_);
    throw Error(ExitCode::communication, fmt::format("{} was ended: {}", what, reason_));
  }
  ncclResult_t launch(const Collective& c) {
    const auto type = c.input.defined() ? type_of(c.input.scalar_type()) : ncclUint8;
    void* in = c.input.defined() ? c.input.data_ptr() : nullptr;
    const auto count = static_cast<std::size_t>(c.input.defined() ? c.input.numel() : 0);
    switch (c.kind) {
      case CollectiveKind::all_reduce:
        return ncclAllReduce(in, in, count, type, op_of(c.op), comm_, stream_);
      case CollectiveKind::reduce_scatter:
        return ncclReduceScatter(in, c.output.data_ptr(), static_cast<std::size_t>(c.output.numel()), type,
                                 op_of(c.op), comm_, stream_);
      case CollectiveKind::all_gather:
        return ncclAllGather(in, c.output.data_ptr(), count, type, comm_, stream_);
      case CollectiveKind::broadcast:
        return ncclBroadcast(in, in, count, type, c.root, comm_, stream_);
      case CollectiveKind::barrier:
        break;
    }
    if (!token_.defined())
      token_ = at::zeros({1}, at::TensorOptions().dtype(at::kByte).device(
                                  at::kCUDA, static_cast<c10::DeviceIndex>(device_)));
    return ncclAllReduce(token_.data_ptr(), token_.data_ptr(), 1, ncclUint8, ncclMax, comm_, stream_);
  }

  int rank_, size_, device_;
  double timeout_s_;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
  std::uint64_t sequence_ = 0;
  at::Tensor token_;  // the data of a barrier
  std::atomic<bool> aborted_{false};
  std::mutex mutex_;  // guards reason_
  std::string reason_;
};

void NcclWork::wait() {
  const std::string what = fmt::format("{} \"{}\" (number {}, {} bytes) on rank {}", name(collective_.kind),
                                       collective_.label, sequence_, input_bytes(collective_), owner_.rank());
  const auto done = [&] {
    const cudaError_t state = cudaEventQuery(done_);
    if (state == cudaErrorNotReady) return false;
    check_call(state, what.c_str());  // a fault of the device, not a late rank
    return true;
  };
  owner_.poll_until(done, started_, what);
  owner_.order_after(done_);
}

void make_id(char* id) {
  ncclUniqueId unique{};
  check_call(ncclGetUniqueId(&unique), nullptr, "making NCCL's id");
  std::copy_n(unique.internal, sizeof unique.internal, id);
}

Communicator* make(const char* id, int rank, int size, int device, double timeout_s) {
  return new NcclCommunicator(id, rank, size, device, timeout_s);
}

int version() {
  int number = 0;
  ncclGetVersion(&number);
  return number;
}

}  // namespace
}  // namespace ebb::comm

extern "C" const ebb::comm::CudaCommTable* ebb_cuda_comm() {
  static const ebb::comm::CudaCommTable table{ebb::comm::make_id, ebb::comm::make, ebb::comm::version};
  return &table;
}
