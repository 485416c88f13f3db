#pragma once
#include <ATen/ATen.h>

#include <cstddef>
#include <span>

#include "comm/communicator.h"

namespace ebb::comm {

// target[i] = sources[0][i] op sources[1][i] op …, in that order. fp16 and bf16 are combined in fp32 and
// rounded once; fp32 and fp64 in their own precision; integers wrap. max and min give NaN where any source
// has one, so that an overflow is never lost. `target` may be one of the sources. The same bits come out on
// every processor: the vector paths differ in speed only.
void combine(at::ScalarType type, ReduceOp op, std::span<const std::byte* const> sources, std::byte* target,
             std::size_t count);

}  // namespace ebb::comm
