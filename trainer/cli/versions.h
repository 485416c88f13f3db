#pragma once
#include <string>

namespace ebb::cli {

// Of what this program was built with; cuda and nccl are empty where it was built without CUDA. Neither
// starts MPI nor opens a library.
struct Versions {
  std::string ebb, torch, cuda, nccl, mpi;
};
Versions versions();
std::string mpi_library();  // "Open MPI v4.1.4"

}  // namespace ebb::cli
