#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "memory/classes.h"

namespace ebb::memory {

// Payload bytes that are no tensor (prefetch slots, MPI staging, checkpoint staging), accounted like one.
// 64-byte aligned, uninitialised. pinned: page-locked and known to CUDA where a device is open (mmap +
// cudaHostRegister, exact size), plain memory elsewhere. Throws Error(memory) with class, owner, bytes asked
// and live bytes by class when there is no memory.
class Buffer {
 public:
  enum class Kind : std::uint8_t { plain, pinned };
  Buffer() = default;
  Buffer(std::size_t bytes, Class cls, std::string_view owner, Kind kind = Kind::plain);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  Kind kind_ = Kind::plain;
};

}  // namespace ebb::memory
