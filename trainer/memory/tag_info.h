#pragma once
#include <cstdint>

namespace ebb::memory {

// The id (owner_names.h) of the calling thread's innermost Tag; kUntagged without one. Takes no lock and
// calls no allocator: it runs under the lock of CUDA's.
std::uint32_t current_owner();

}  // namespace ebb::memory
