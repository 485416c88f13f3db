#include "telemetry/gpu_uuid.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>

namespace ebb::telemetry {
namespace {

using Bytes = std::array<unsigned char, 16>;

// Of the driver's own library, which the CUDA half of ebb has loaded: CUdevice and CUresult are ints, CUuuid
// is 16 bytes. The second form knows the parts of a divided GPU.
bool ask(void* driver, int device, Bytes& bytes) {
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
  const bool told = ask(driver, device, bytes);
  ::dlclose(driver);
  if (!told) return {};
  std::string text = "GPU-";
  for (std::size_t i = 0; i < bytes.size(); ++i)
    text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
  return text;
}

}  // namespace ebb::telemetry
