// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace ebb::numerics {

// Bytes of blocks that an op may hold at once on the CPU. The limit holds for all threads of a product
// together, and for each thread of another op. The last bit of a result may depend on it.
inline constexpr std::int64_t kWorkspaceBytes = std::int64_t{4} << 20;

}  // namespace ebb::numerics
