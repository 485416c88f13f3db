#pragma once
#include <ATen/ATen.h>

#include <cstdint>

#include "numerics/cpu/kernels.h"

namespace ebb::numerics::cpu {

// Bytes of fp32 blocks that a front may hold at once, per thread where it works on several blocks at a time.
// Results do not depend on the number of threads, but may in the last bit on this. Only tests change it, to
// force many blocks.
std::int64_t& workspace_bytes();

// Uninitialised fp32 [floats], class workspace, on the device of `like`: on meta it counts and holds nothing.
at::Tensor workspace(std::int64_t floats, const at::Tensor& like);

Kind kind_of(const at::Tensor& tensor);

}  // namespace ebb::numerics::cpu
