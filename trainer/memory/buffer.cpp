// SPDX-License-Identifier: Apache-2.0
#include "memory/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "memory/cpu_allocator.h"
#include "memory/cuda_device.h"
#include "memory/ledger.h"

namespace ebb::memory {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, and the alignment of torch's own blocks

std::byte* allocate_pageable(std::size_t bytes) {
  void* block = nullptr;
  if (posix_memalign(&block, kAlignment, bytes) != 0) return nullptr;
  return static_cast<std::byte*>(block);
}

// Allocates pages itself, since LibTorch rounds pinned memory up to a power of two.
std::byte* allocate_pinned(const CudaMemoryTable& cuda, std::size_t bytes) {
  void* const block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return nullptr;
  if (cuda.pin(block, bytes) != 0) {
    munmap(block, bytes);
    return nullptr;
  }
  return static_cast<std::byte*>(block);
}

void release(std::byte* data, std::size_t bytes, HostMemory kind) {
  if (data == nullptr) return;
  if (Ledger* ledger = installed()) ledger->forget(data, Ledger::Location::host);
  if (kind == HostMemory::pageable) {
    std::free(data);
    return;
  }
  cuda_memory()->unpin(data);
  munmap(data, bytes);
}

}  // namespace

Buffer::Buffer(std::size_t bytes, Class cls, std::string_view owner, HostMemory kind) : size_(bytes) {
  if (bytes == 0) return;
  require_budget(static_cast<std::int64_t>(bytes), cls, owner);
  const CudaMemoryTable* const cuda = kind == HostMemory::pinned ? cuda_memory() : nullptr;
  kind_ = cuda == nullptr ? HostMemory::pageable : HostMemory::pinned;
  const auto allocate = [&] {
    return cuda == nullptr ? allocate_pageable(bytes) : allocate_pinned(*cuda, bytes);
  };
  data_ = allocate();
  if (data_ == nullptr && release_kept_blocks()) data_ = allocate();
  Ledger* const ledger = installed();
  if (data_ == nullptr)
    fail_host_allocation(static_cast<std::int64_t>(bytes), cls,
                         std::string(owner) + (cuda == nullptr ? "" : " (page-locked)"));
  if (ledger != nullptr) {
    ledger->record(data_, static_cast<std::int64_t>(bytes), Ledger::Location::host, cls, owner);
  }
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), kind_(other.kind_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    release(data_, size_, kind_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    kind_ = other.kind_;
  }
  return *this;
}

Buffer::~Buffer() {
  release(data_, size_, kind_);
}

}  // namespace ebb::memory
