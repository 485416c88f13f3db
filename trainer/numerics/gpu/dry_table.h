// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "numerics/cuda_table.h"

namespace ebb::numerics::gpu {

// The launches of the DryGpu that exists, which do nothing; null if there is none.
const CudaTable* dry_table();

}  // namespace ebb::numerics::gpu
