#pragma once
#include <string>

namespace ebb::doctor {

// Of what this program was built with; cuda and nccl are empty where it was built without CUDA. Neither
// starts MPI nor opens a library.
struct Versions {
  std::string ebb, torch, cuda, nccl, mpi;
};
Versions versions();
std::string mpi_library();   // "Open MPI v4.1.4"
std::string version_text();  // ebb, LibTorch, CUDA, NCCL and MPI, a line each

}  // namespace ebb::doctor
