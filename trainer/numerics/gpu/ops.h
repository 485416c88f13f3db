// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include "numerics/attention.h"
#include "numerics/cpu/linear.h"
#include "numerics/cuda_table.h"
#include "numerics/dry_gpu.h"
#include "numerics/norm.h"

// The ops for tensors on a GPU, in ATen and part of the program; numerics/cuda has the kernels that they
// launch, in libebb_cuda.so. The headers of the same names in numerics/ describe the results.
namespace ebb::numerics {

// The table of the CUDA library, which main has opened if there is a device; that of a DryGpu if one exists.
const CudaTable& cuda_table();
// LibTorch's current cudaStream_t on the tensor's device; null on the meta device.
void* cuda_stream(const at::Tensor& tensor);
// Workspace for the partial sums of a reduction, on the device of `like`.
at::Tensor cuda_partials(const at::Tensor& like, std::int64_t count, at::ScalarType type);
// The address of a tensor, null if it is undefined.
inline void* address(const at::Tensor& t) {
  return t.defined() ? t.mutable_data_ptr() : nullptr;
}

namespace gpu {

struct NormGradients {
  at::Tensor dx, dw, db;
};
// The second part of a residual stream before and after a sum; both undefined: it has one part.
struct LowParts {
  at::Tensor of_x, of_sum;
};
// x [..., C], or null `added` for x alone; mean undefined for RMS norm.
void norm(const at::Tensor& x, const at::Tensor& added, const at::Tensor& sum, const LowParts& low,
          const at::Tensor& w, const at::Tensor& b, double eps, const at::Tensor& y, const at::Tensor& mean,
          const at::Tensor& rstd);
void norm_gradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& low, const at::Tensor& w,
                   const at::Tensor& mean, const at::Tensor& rstd, const at::Tensor& d_sum,
                   const NormGradients& out);

// As cpu/linear.h.
cpu::LinearOutput linear_forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                                 Activation act, bool keep_pre_activation);
std::array<at::Tensor, 3> linear_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& w,
                                          const at::Tensor& saved, Activation act,
                                          std::array<bool, 3> wanted);

// Rows of `table` [V, C] by the int64 `ids`.
at::Tensor embedding(const at::Tensor& table, const at::Tensor& ids);
at::Tensor attention(const at::Tensor& qkv, AttentionHeads heads, const at::Tensor& rope,
                     const Documents& documents);
at::Tensor head_cross_entropy(const at::Tensor& h, const at::Tensor& w, const at::Tensor& targets, double z);

}  // namespace gpu
}  // namespace ebb::numerics
