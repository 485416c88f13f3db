// SPDX-License-Identifier: Apache-2.0
#include "doctor/versions.h"

#include <fmt/format.h>
#define OMPI_SKIP_MPICXX 1  // the C++ bindings, which newer versions lack
#include <mpi.h>
#include <torch/headeronly/version.h>

#include <array>
#include <string>

#include "base/version.h"

namespace ebb::doctor {

std::string mpi_library() {
  // MPI allows this call before MPI_Init. Open MPI returns one long line; the version ends at the first
  // comma.
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  if (MPI_Get_library_version(text.data(), &length) != MPI_SUCCESS) return "unknown";
  std::string version(text.data(), static_cast<std::size_t>(length));
  version = version.substr(0, version.find_first_of(",\n"));
  return version.substr(0, version.find('\0'));
}

Versions versions() {
  return {version(), TORCH_VERSION, EBB_CUDA_VERSION, EBB_NCCL_VERSION, mpi_library()};
}

std::string version_text() {
  const Versions v = versions();
  const auto or_absent = [](const std::string& version) {
    return version.empty() ? "not in this build" : version;
  };
  return fmt::format("ebb      {}\nLibTorch {}\nCUDA     {}\nNCCL     {}\nMPI      {}", v.ebb, v.torch,
                     or_absent(v.cuda), or_absent(v.nccl), v.mpi);
}

}  // namespace ebb::doctor
