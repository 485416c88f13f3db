// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace ebb::numerics {

// Bytes of blocks that an op may hold at once on the CPU: those of a product for all threads together, those
// of another op for each thread. Results do not depend on the number of threads; their last bit may depend on
// this.
inline constexpr std::int64_t kWorkspaceBytes = std::int64_t{4} << 20;

}  // namespace ebb::numerics
