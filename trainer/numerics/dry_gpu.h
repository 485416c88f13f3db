// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace ebb::numerics {

// The GPU of a dry run. While it exists, tensors on the meta device go through the ops of GPUs, which
// allocate as on that GPU and launch nothing. Otherwise they go through the ops of the CPU. One at a time in
// a process; Error(internal) for a second one.
class DryGpu {
 public:
  explicit DryGpu(int compute_capability);  // 90 is 9.0
  ~DryGpu();
  DryGpu(const DryGpu&) = delete;
  DryGpu& operator=(const DryGpu&) = delete;
};

// The compute capability of the GPU of this process, after memory::use_device(): 90 is 9.0; 0 if unknown.
[[nodiscard]] int gpu_capability();

// Whether the ops of GPUs compute with tensors on `device`.
[[nodiscard]] bool on_gpu(at::Device device);
[[nodiscard]] inline bool on_gpu(const at::Tensor& tensor) {
  return on_gpu(tensor.device());
}

// Bytes of a workspace that LibTorch allocates for cuBLAS.
// Source: getChosenWorkspaceSize() in aten/src/ATen/cuda/CublasHandlePool.cpp, without
// CUBLAS_WORKSPACE_CONFIG.
std::int64_t cublas_workspace_bytes(int compute_capability);

// Throws c10::NotImplementedError for a tensor of a dry run on a GPU, for ops without such a form.
void refuse_dry_gpu(const char* op, const at::Tensor& tensor);

}  // namespace ebb::numerics
