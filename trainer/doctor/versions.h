// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::doctor {

// The versions of this build; cuda and nccl are empty if it was built without CUDA. The functions do not
// initialise MPI or open a library.
struct Versions {
  std::string ebb, torch, cuda, nccl, mpi;
};
Versions versions();
std::string mpi_library();   // "Open MPI v4.1.4"
std::string version_text();  // ebb, LibTorch, CUDA, NCCL and MPI, a line each

}  // namespace ebb::doctor
