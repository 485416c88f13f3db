// SPDX-License-Identifier: Apache-2.0
#include "telemetry/gpu_uuid.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>

namespace ebb::telemetry {
namespace {

using Bytes = std::array<unsigned char, 16>;

// Calls the driver library, which ebb's CUDA library has loaded. CUdevice and CUresult are ints, and CUuuid
// is 16 bytes. Version 2 of the call also supports the instances of a partitioned GPU (MIG).
bool read_uuid(void* driver, int device, Bytes& bytes) {
  const auto get = reinterpret_cast<int (*)(int*, int)>(::dlsym(driver, "cuDeviceGet"));
  auto uuid = reinterpret_cast<int (*)(Bytes*, int)>(::dlsym(driver, "cuDeviceGetUuid_v2"));
  if (uuid == nullptr) uuid = reinterpret_cast<int (*)(Bytes*, int)>(::dlsym(driver, "cuDeviceGetUuid"));
  int handle = 0;
  return get != nullptr && uuid != nullptr && get(&handle, device) == 0 && uuid(&bytes, handle) == 0;
}

}  // namespace

std::string gpu_uuid(int device) {
  void* const driver = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (driver == nullptr) return {};
  Bytes bytes{};
  const bool found = read_uuid(driver, device, bytes);
  ::dlclose(driver);
  if (!found) return {};
  std::string text = "GPU-";
  for (std::size_t i = 0; i < bytes.size(); ++i)
    text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
  return text;
}

}  // namespace ebb::telemetry
