// SPDX-License-Identifier: Apache-2.0
// The memory layer's part of libebb_cuda.so: calls of CUDA and of its caching allocator.
#include "memory/cuda_table.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <cstring>
#include <exception>

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;
using allocator::TraceEntry;

int observed_device = 0;

// Exceptions of LibTorch must not leave the library.
template <class F>
int guarded(F&& body) {
  try {
    return body();
  } catch (const std::exception&) {
    return cudaErrorUnknown;
  }
}

const char* error_name(int error) {
  return cudaGetErrorName(static_cast<cudaError_t>(error));
}

int device_count(int* count) {
  return cudaGetDeviceCount(count);
}

int device_name(int device, char* name, std::size_t size) {
  cudaDeviceProp properties{};
  const cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error == cudaSuccess && size > 0) {
    std::strncpy(name, properties.name, size - 1);
    name[size - 1] = 0;
  }
  return error;
}

int versions(int* driver, int* runtime) {
  const cudaError_t error = cudaDriverGetVersion(driver);
  return error != cudaSuccess ? error : cudaRuntimeGetVersion(runtime);
}

int use_device(int device) {
  return guarded([&]() -> int {
    const cudaError_t error = cudaSetDevice(device);
    if (error != cudaSuccess) return error;
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(device));
    observed_device = device;
    allocator::init(c10::cuda::device_count());
    return cudaFree(nullptr);  // creates the context now, so that the account starts after it
  });
}

int observe(ebb::memory::CudaBlockObserver observer) {
  return guarded([&] {
    allocator::attachAllocatorTraceTracker([observer](const TraceEntry& entry) {
      if (entry.action_ == TraceEntry::ALLOC)
        observer.allocated(observer.context, entry.addr_, static_cast<std::int64_t>(entry.size_));
      // Counts the end of the tensor, not the later FREE_COMPLETED of its streams. Live bytes at the end of a
      // step must not depend on the progress of the device.
      else if (entry.action_ == TraceEntry::FREE_REQUESTED)
        observer.freed(observer.context, entry.addr_);
    });
    allocator::attachOutOfMemoryObserver(
        [observer](int64_t, size_t asked, size_t device_total, size_t device_free) {
          observer.exhausted(observer.context, static_cast<std::int64_t>(asked),
                             static_cast<std::int64_t>(device_total), static_cast<std::int64_t>(device_free));
        });
    return 0;
  });
}

int stats(int device, ebb::memory::CudaMemoryStats* out) {
  return guarded([&]() -> int {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));  // the caller may be any thread
    const auto s = allocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
    std::size_t free = 0, total = 0;
    const cudaError_t error = cudaMemGetInfo(&free, &total);
    std::size_t largest = 0;
    allocator::cacheInfo(static_cast<c10::DeviceIndex>(device), &largest);
    *out = {s.requested_bytes[0].current,
            s.allocated_bytes[0].current,
            s.reserved_bytes[0].current,
            static_cast<std::int64_t>(largest),
            static_cast<std::int64_t>(total - free),
            static_cast<std::int64_t>(total)};
    return error;
  });
}

int pin(void* block, std::size_t bytes) {
  return cudaHostRegister(block, bytes, cudaHostRegisterDefault);
}
int unpin(void* block) {
  return cudaHostUnregister(block);
}

}  // namespace

extern "C" const ebb::memory::CudaMemoryTable* ebb_cuda_memory() {
  static const ebb::memory::CudaMemoryTable table{error_name, device_count, device_name, versions, use_device,
                                                  observe,    stats,        pin,         unpin};
  return &table;
}
