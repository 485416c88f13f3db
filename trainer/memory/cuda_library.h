// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::memory {

// libebb_cuda.so holds all code that needs CUDA. It is beside the binary or in ../lib. main opens it before
// any use of ATen, whose hooks resolve once, and only if libcuda reports a device. Without the library a
// process saves 234 MB and a second.
class CudaLibrary {
 public:
  // Queries only libcuda. False without a driver or a device, or in a build without CUDA.
  static bool device_present(std::string* why_not = nullptr);
  // dlopen; sets CUDA_MODULE_LOADING=LAZY first. Error(usage) if the library is missing or does not fit.
  static void open();
  [[nodiscard]] static bool is_open();
  // Address of an extern "C" function of the library. Each layer fetches its own table: "ebb_cuda_memory",
  // "ebb_cuda_comm", "ebb_cuda_numerics". Error(internal) if it is absent.
  static void* symbol(const char* name);
};

}  // namespace ebb::memory
