// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>

namespace ebb::memory {

// The memory behind the blocks of a dry run. A block is a handle of a few bytes that stands for its address.
class DryMemory {
 public:
  virtual ~DryMemory() = default;
  // std::bad_alloc if a handle cannot be made, or if no address space has so many bytes.
  virtual void* allocate(std::size_t bytes) = 0;
  // `bytes` as given to allocate().
  virtual void deallocate(void* block, std::size_t bytes) = 0;
};

}  // namespace ebb::memory
