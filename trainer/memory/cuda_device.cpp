// SPDX-License-Identifier: Apache-2.0
#include "memory/cuda_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/units.h"
#include "memory/cpu_allocator.h"
#include "memory/cuda_library.h"
#include "memory/failure.h"
#include "memory/ledger.h"

namespace ebb::memory {
namespace {

std::atomic<int> the_device{-1};  // of use_device()

void require(int error, const std::string& what) {
  if (error == 0) return;
  throw Error(ExitCode::usage, fmt::format("cannot {}: {}; `ebb doctor` shows what this machine has", what,
                                           cuda_memory()->error_name(error)));
}

const CudaMemoryTable& table() {
  const CudaMemoryTable* const cuda = cuda_memory();
  if (cuda == nullptr)
    throw Error(ExitCode::internal, "a CUDA device was requested before CudaLibrary::open()");
  return *cuda;
}

void on_allocated(void* ledger, std::uintptr_t block, std::int64_t bytes) {
  static_cast<Ledger*>(ledger)->record(reinterpret_cast<const void*>(block), bytes, Ledger::Location::device);
}

void on_freed(void* ledger, std::uintptr_t block) {
  static_cast<Ledger*>(ledger)->forget(reinterpret_cast<const void*>(block), Ledger::Location::device);
}

// Replaces LibTorch's error, which has neither stage nor class nor owner.
void on_exhausted(void* ledger, std::int64_t asked, std::int64_t total, std::int64_t free) {
  const TagView tag = current_tag();
  fail(*static_cast<Ledger*>(ledger), nullptr,
       {Ledger::Location::device, asked, tag.cls, tag.owner, std::max<std::int64_t>(0, asked - free),
        fmt::format("the device has {}, of which {} are free", format_bytes(total), format_bytes(free))});
}

}  // namespace

const CudaMemoryTable* cuda_memory() {
  if (!CudaLibrary::is_open()) return nullptr;
  static const CudaMemoryTable* const cuda =
      reinterpret_cast<const CudaMemoryTable* (*)()>(CudaLibrary::symbol(kCudaMemorySymbol))();
  return cuda;
}

void use_device(int device) {
  Ledger* const ledger = installed();
  if (ledger == nullptr)
    throw Error(ExitCode::internal, "use_device before install(): its blocks would not be counted");
  require(table().use_device(device), fmt::format("use CUDA device {}", device));
  the_device.store(device);
  require(table().observe({ledger, &on_allocated, &on_freed, &on_exhausted}), "observe CUDA's allocator");
}

std::optional<CudaMemoryStats> stats_of_used_device() {
  const int device = the_device.load();
  return device < 0 ? std::nullopt : std::optional(device_stats(device));
}

CudaMemoryStats device_stats(int device) {
  CudaMemoryStats stats{};
  require(table().stats(device, &stats), "query the memory of the CUDA device");
  return stats;
}

std::string device_name(int device) {
  char text[256] = {};
  require(table().device_name(device, text, sizeof text),
          fmt::format("query the name of CUDA device {}", device));
  return text;
}

int device_count() {
  int count = 0;
  require(table().device_count(&count), "count the CUDA devices");
  return count;
}

}  // namespace ebb::memory
