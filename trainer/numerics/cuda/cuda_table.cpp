// SPDX-License-Identifier: Apache-2.0
#include "numerics/cuda_table.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "base/error.h"

void ebb::numerics::device::check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) return;
  throw Error(ExitCode::internal, fmt::format("starting the kernel \"{}\" failed: CUDA reports {} ({})",
                                              kernel, cudaGetErrorName(error), cudaGetErrorString(error)));
}

extern "C" const ebb::numerics::CudaTable* ebb_cuda_numerics() {
  namespace device = ebb::numerics::device;
  static const ebb::numerics::CudaTable table{
      .compute_capability = device::compute_capability,
      .adamw = device::adamw,
      .split = device::split,
      .join = device::join,
      .stats = device::stats,
      .bernoulli = device::bernoulli,
      .bernoulli_gradient = device::bernoulli_gradient,
      .kl = device::kl,
      .kl_gradient = device::kl_gradient,
      .unit_range = device::unit_range,
      .normal = device::normal_rows,
      .reparameterize = device::reparameterize,
      .reparameterize_gradient = device::reparameterize_gradient,
      .norm = device::norm,
      .norm_gradient = device::norm_gradient,
      .activation = device::activation,
      .activation_gradient = device::activation_gradient,
      .swiglu = device::swiglu,
      .swiglu_gradient = device::swiglu_gradient,
      .rotate = device::rotate,
      .head_rows = device::head_rows,
      .scaled = device::scaled,
  };
  return &table;
}
