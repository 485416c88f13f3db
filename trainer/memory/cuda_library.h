// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::memory {

// libebb_cuda.so holds all code that needs CUDA. It lies beside the binary or in ../lib. main opens it before
// any use of ATen, whose hooks resolve once, and only where libcuda reports a device: a process without one
// saves 234 MB and a second.
class CudaLibrary {
 public:
  // Asks libcuda alone. False without a driver or a device, or in a build without CUDA.
  static bool device_present(std::string* why_not = nullptr);
  // dlopen; sets CUDA_MODULE_LOADING=LAZY first. Error(usage) where the library is missing or does not fit.
  static void open();
  [[nodiscard]] static bool is_open();
  // Address of an extern "C" function of the library. Each layer fetches its own table: "ebb_cuda_memory",
  // "ebb_cuda_comm", "ebb_cuda_numerics". Error(internal) where it is absent.
  static void* symbol(const char* name);
};

}  // namespace ebb::memory
