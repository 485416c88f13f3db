#pragma once
#include <string>

namespace ebb::memory {

// What needs CUDA lies in libebb_cuda.so, beside the binary or in ../lib of it. It is opened first thing in
// main, before any use of ATen (whose hooks resolve once), and only where libcuda answers and reports a
// device: without one a process saves 234 MB and a second.
class CudaLibrary {
 public:
  // Asks libcuda alone. False where no driver or no device is, or the build has no CUDA.
  static bool device_present(std::string* why_not = nullptr);
  // dlopen; sets CUDA_MODULE_LOADING=LAZY first. Error(usage) where the library is missing or does not fit.
  static void open();
  [[nodiscard]] static bool is_open();
  // Address of an extern "C" function of the library; each layer fetches its own table ("ebb_cuda_memory",
  // "ebb_cuda_comm", "ebb_cuda_numerics"). Error(internal) when it is absent.
  static void* symbol(const char* name);
};

}  // namespace ebb::memory
