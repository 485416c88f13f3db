// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "memory/classes.h"

namespace ebb::memory {

// pinned: page-locked and registered with CUDA if a device is open, else pageable.
enum class HostMemory : std::uint8_t { pageable, pinned };

// Payload bytes outside of tensors (prefetch slots, staging of MPI and of checkpoints), recorded in the
// installed ledger. 64-byte aligned, uninitialised, of exactly the size requested. Owns the bytes; movable,
// not copyable. Throws OutOfMemory (failure.h) if the allocation fails.
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::size_t bytes, Class cls, std::string_view owner, HostMemory kind = HostMemory::pageable);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  HostMemory kind_ = HostMemory::pageable;
};

}  // namespace ebb::memory
