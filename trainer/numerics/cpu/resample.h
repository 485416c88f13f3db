// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

namespace ebb::numerics::cpu {

enum class Resampling : bool { down, up };

// upsample2 or downsample2 (numerics/resample.h) of x, multiplied by `factor`. x is channels-last; so is the
// result. On meta only the allocations are made.
at::Tensor resample(const at::Tensor& x, Resampling to, float factor);

}  // namespace ebb::numerics::cpu
