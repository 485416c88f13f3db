#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "numerics/cpu/kernels.h"
#include "numerics/precision.h"

namespace ebb::numerics::cpu {

// Bytes of blocks that an op may hold at once; a product all threads' together, the others each thread's
// own. Results do not depend on the number of threads, but may in the last bit on this. Only tests change it,
// to force many blocks.
std::int64_t& workspace_bytes();

// Uninitialised fp32 [floats], class workspace, on the device of `like`: on meta it counts and holds nothing.
at::Tensor workspace(std::int64_t floats, const at::Tensor& like);

}  // namespace ebb::numerics::cpu
