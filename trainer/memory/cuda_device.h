// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "memory/cuda_table.h"

namespace ebb::memory {

// The CUDA device of this process. All functions need CudaLibrary::open() before them. They throw
// Error(usage) with CUDA's own name of the error.

// This layer's functions of libebb_cuda.so; null if the library is not open.
const CudaMemoryTable* cuda_memory();

// Makes `device` the device of this process. Creates its context and the caching allocator, and reports every
// block to the installed ledger. Call it once, after install() and before the first tensor on a device.
void use_device(int device);

// Current figures of the driver and the allocator for a device that use_device() was called with.
CudaMemoryStats device_stats(int device);
// Of the device of use_device(); empty before it.
std::optional<CudaMemoryStats> stats_of_used_device();

// "NVIDIA L4"; for doctor.
std::string device_name(int device);
int device_count();

}  // namespace ebb::memory
