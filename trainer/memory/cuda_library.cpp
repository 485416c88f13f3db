// SPDX-License-Identifier: Apache-2.0
#include "memory/cuda_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/error.h"

namespace ebb::memory {
namespace {
namespace fs = std::filesystem;

constexpr bool kBuiltWithCuda = EBB_BUILT_WITH_CUDA;
constexpr const char* kLibraryName = "libebb_cuda.so";

void* the_library = nullptr;

// The paths of the library: EBB_CUDA_LIBRARY, beside the binary (as built), ../lib (as installed).
std::vector<fs::path> candidates() {
  if (const char* given = std::getenv("EBB_CUDA_LIBRARY")) return {given};
  std::error_code ignored;
  const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  return {folder / kLibraryName, folder / ".." / "lib" / kLibraryName};
}

// Queries libcuda itself (cuInit, cuDeviceGetCount), without CUDA's runtime and LibTorch.
bool driver_has_device(std::string& why_not) {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) {
    why_not = "no NVIDIA driver: this machine has no libcuda.so.1";
    return false;
  }
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto count_devices = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  if (init == nullptr || count_devices == nullptr) {
    why_not = "libcuda.so.1 is not a CUDA driver";
    return false;
  }
  int count = 0;
  if (const int error = init(0); error != 0) {
    why_not = fmt::format("the NVIDIA driver does not start (cuInit: error {})", error);
    return false;
  }
  if (count_devices(&count) != 0 || count == 0) {
    why_not = "the NVIDIA driver reports no device (is CUDA_VISIBLE_DEVICES empty?)";
    return false;
  }
  return true;
}

}  // namespace

bool CudaLibrary::device_present(std::string* why_not) {
  std::string reason;
  const bool present = kBuiltWithCuda ? driver_has_device(reason) : false;
  if (!kBuiltWithCuda) reason = "this ebb was built without CUDA (EBB_CUDA=OFF)";
  if (why_not != nullptr) *why_not = reason;
  return present;
}

void CudaLibrary::open() {
  if (the_library != nullptr) return;
  // Loads kernels at first use: 287 MB of context instead of 667. Has an effect only before CUDA is loaded.
  setenv("CUDA_MODULE_LOADING", "LAZY", /*replace=*/0);
  std::string tried;
  for (const fs::path& path : candidates()) {
    if (!fs::exists(path)) {
      tried += fmt::format("\n  {}: not found", path.lexically_normal().string());
      continue;
    }
    // Global: torch_cuda registers itself with the program's torch_cpu, so both need the same symbols.
    the_library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (the_library != nullptr) return;
    const char* const error = dlerror();
    tried += fmt::format("\n  {}: {}", path.lexically_normal().string(),
                         error != nullptr ? error : "unknown error");
  }
  throw Error(
      ExitCode::usage,
      fmt::format("{} could not be opened; build with -DEBB_CUDA=ON, or run on the CPU with run.device=cpu{}",
                  kLibraryName, tried));
}

bool CudaLibrary::is_open() {
  return the_library != nullptr;
}

void* CudaLibrary::symbol(const char* name) {
  if (the_library == nullptr)
    throw Error(ExitCode::internal,
                fmt::format("{} was requested from {} before it was open", name, kLibraryName));
  void* const address = dlsym(the_library, name);
  if (address == nullptr) {
    throw Error(ExitCode::internal, fmt::format("{} has no {}; program and library are from different builds",
                                                kLibraryName, name));
  }
  return address;
}

}  // namespace ebb::memory
