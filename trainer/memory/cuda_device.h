#pragma once
#include <optional>
#include <string>

#include "memory/cuda_table.h"

namespace ebb::memory {

// The CUDA device of this process. All of it needs CudaLibrary::open() before, and throws Error(usage or
// memory) with CUDA's own name of what failed.

// This layer's functions of libebb_cuda.so; null where the library is not open.
const CudaMemoryTable* cuda_memory();

// Makes `device` the one of this process: its context, the caching allocator, and the installed ledger as the
// observer of every block. Once, after install() and before the first tensor on a device.
void use_device(int device);

// What the driver and the allocator say now of the device in use; empty where none is.
std::optional<CudaMemoryStats> device_stats();

// "NVIDIA L4"; for doctor.
std::string device_name(int device);
int device_count();

}  // namespace ebb::memory
