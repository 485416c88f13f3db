#pragma once
#include "numerics/cuda/launch.h"

namespace ebb::numerics {

// The launches of libebb_cuda.so, through which the program calls them: it links none of that library.
struct CudaTable {
  decltype(&device::compute_capability) compute_capability;
  decltype(&device::adamw) adamw;
  decltype(&device::split) split;
  decltype(&device::join) join;
  decltype(&device::stats) stats;
  decltype(&device::bernoulli) bernoulli;
  decltype(&device::bernoulli_gradient) bernoulli_gradient;
  decltype(&device::kl) kl;
  decltype(&device::kl_gradient) kl_gradient;
  decltype(&device::unit_range) unit_range;
  decltype(&device::normal_rows) normal;
  decltype(&device::reparameterize) reparameterize;
  decltype(&device::reparameterize_gradient) reparameterize_gradient;
  decltype(&device::norm) norm;
  decltype(&device::norm_gradient) norm_gradient;
  decltype(&device::activation) activation;
  decltype(&device::activation_gradient) activation_gradient;
  decltype(&device::swiglu) swiglu;
  decltype(&device::swiglu_gradient) swiglu_gradient;
  decltype(&device::rotate) rotate;
  decltype(&device::head_rows) head_rows;
  decltype(&device::scaled) scaled;
};

}  // namespace ebb::numerics

extern "C" const ebb::numerics::CudaTable* ebb_cuda_numerics();
