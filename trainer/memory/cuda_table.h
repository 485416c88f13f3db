// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

namespace ebb::memory {

inline constexpr const char* kCudaMemorySymbol = "ebb_cuda_memory";

// Receives the events of the device's blocks. allocated and freed run under the lock of LibTorch's CUDA
// allocator, on the allocating thread. They must neither throw nor call anything that may allocate.
struct CudaBlockObserver {
  void* context;
  void (*allocated)(void* context, std::uintptr_t block, std::int64_t bytes);
  void (*freed)(void* context, std::uintptr_t block);
  // The allocator failed to allocate `asked` bytes. It holds no lock and throws after this returns; this may
  // throw instead.
  void (*exhausted)(void* context, std::int64_t asked, std::int64_t device_total, std::int64_t device_free);
};

struct CudaMemoryStats {
  std::int64_t requested;           // live bytes as requested, by the allocator's count
  std::int64_t allocated;           // the same, rounded up to its granularity
  std::int64_t reserved;            // obtained from the driver
  std::int64_t largest_free_block;  // within what is reserved
  std::int64_t device_used;         // by all processes, contexts and NCCL included
  std::int64_t device_total;
};

// The functions of libebb_cuda.so for this layer. With it the program links no part of CUDA, and the library
// no part of the program. Each returns 0 or a cudaError_t, which error_name() names; none throws.
struct CudaMemoryTable {
  const char* (*error_name)(int error);
  int (*device_count)(int* count);
  int (*device_name)(int device, char* name, std::size_t size);
  int (*versions)(int* driver, int* runtime);  // 13000 is 13.0
  int (*use_device)(int device);  // makes it the process's device, with context and caching allocator
  // After use_device and before the first tensor on the device. The observer's context must outlive every
  // tensor.
  int (*observe)(CudaBlockObserver observer);
  int (*stats)(int device, CudaMemoryStats* stats);
  int (*pin)(void* block, std::size_t bytes);  // cudaHostRegister
  int (*unpin)(void* block);
};

}  // namespace ebb::memory
