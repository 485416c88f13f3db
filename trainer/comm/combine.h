// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstddef>
#include <span>

#include "comm/communicator.h"

namespace ebb::comm {

// target[i] = sources[0][i] op sources[1][i] op …, in that order, for `count` elements. fp16 and
// bf16 are combined in fp32 and rounded once, fp32 and fp64 in their own precision; integers wrap.
// max and min return NaN if any source has NaN, so no overflow is lost. `target` may be one of the
// sources. The bits of the result are the same on all processors; vector instructions only change
// the speed.
void combine(at::ScalarType type, ReduceOp op, std::span<const std::byte* const> sources, std::byte* target,
             std::size_t count);

}  // namespace ebb::comm
