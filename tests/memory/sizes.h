// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>

namespace ebb::memory {

inline constexpr std::size_t kKiB = 1024, kMiB = 1024 * kKiB;

}  // namespace ebb::memory
