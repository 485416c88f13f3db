// SPDX-License-Identifier: Apache-2.0
#include "numerics/dry_gpu.h"

#include <atomic>

#include "base/error.h"
#include "numerics/gpu/dry_table.h"
#include "numerics/gpu/ops.h"

namespace ebb::numerics {
namespace {

std::atomic<int> the_capability{0};  // of the DryGpu that exists; 0: none

// Becomes a launch of any signature, which does nothing.
struct NoLaunch {
  template <class... Arguments>
  using Launch = void (*)(Arguments...);
  template <class... Arguments>
  operator Launch<Arguments...>() const {
    return [](Arguments...) {};
  }
};

int dry_capability() {
  return the_capability.load();
}

}  // namespace

DryGpu::DryGpu(int compute_capability) {
  int none = 0;
  if (!the_capability.compare_exchange_strong(none, compute_capability))
    throw Error(ExitCode::internal, "a second DryGpu was made while one exists");
}

DryGpu::~DryGpu() {
  the_capability.store(0);
}

int gpu_capability() {
  return cuda_table().compute_capability();
}

bool on_gpu(at::Device device) {
  return device.is_cuda() || (device.is_meta() && the_capability.load() > 0);
}

std::int64_t cublas_workspace_bytes(int compute_capability) {
  constexpr std::int64_t kFromHopper = 32 << 20, kBefore = (8 << 20) + (128 << 10);
  return compute_capability >= 90 ? kFromHopper : kBefore;
}

void refuse_dry_gpu(const char* op, const at::Tensor& tensor) {
  TORCH_CHECK_NOT_IMPLEMENTED(!(tensor.is_meta() && on_gpu(tensor)), op, " on GPUs cannot be planned");
}

namespace gpu {

const CudaTable* dry_table() {
  constexpr NoLaunch kNone;
  static const CudaTable table = {&dry_capability, kNone, kNone, kNone, kNone, kNone, kNone, kNone,
                                  kNone,           kNone, kNone, kNone, kNone, kNone, kNone, kNone,
                                  kNone,           kNone, kNone, kNone, kNone, kNone};
  return dry_capability() > 0 ? &table : nullptr;
}

}  // namespace gpu
}  // namespace ebb::numerics
