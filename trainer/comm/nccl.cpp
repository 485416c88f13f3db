// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl.h"

#include <string>

#include "memory/cuda_library.h"

namespace ebb::comm {

std::unique_ptr<Communicator> make_nccl(const World& world, double timeout_s, at::Device device) {
  if (!device.is_cuda() || !memory::CudaLibrary::is_open())
    throw Error(
        ExitCode::usage,
        "parallel.backend=nccl is for tensors on GPUs, but this run's tensors are in host memory. Set "
        "parallel.backend=auto, or run.device=cuda on a machine with a GPU (`ebb doctor` shows it)");
  using Function = const CudaCommTable* (*)();
  const CudaCommTable* table = reinterpret_cast<Function>(memory::CudaLibrary::symbol("ebb_cuda_comm"))();
  std::string id(CudaCommTable::kIdBytes, '\0');
  if (world.rank() == 0) table->make_id(id.data());
  id = world.gather_to_all(id, timeout_s).front();
  return std::unique_ptr<Communicator>(
      table->make(id.data(), world.rank(), world.size(), device.index(), timeout_s));
}

}  // namespace ebb::comm
