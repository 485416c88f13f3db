// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "numerics/cpu/kernels.h"
#include "numerics/precision.h"

namespace ebb::numerics::cpu {

// Uninitialised fp32 [floats] of class workspace on the device of `like`. On meta it is counted and takes no
// memory.
at::Tensor workspace(std::int64_t floats, const at::Tensor& like);

}  // namespace ebb::numerics::cpu
