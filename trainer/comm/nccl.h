#pragma once
#include <memory>

#include "comm/communicator.h"
#include "comm/world.h"

namespace ebb::comm {

// What libebb_cuda.so gives to this layer, by its extern "C" function ebb_cuda_comm().
struct CudaCommTable {
  static constexpr int kIdBytes = 128;
  void (*make_id)(char* id);  // rank 0's; fills kIdBytes
  Communicator* (*make)(const char* id, int rank, int size, int device, double timeout_s);
  int (*version)();  // 22809 is 2.28.9
};

// It departs from Communicator's contract in one point: NCCL sums fp16 and bf16 in its own order, and rounds
// in between. A communicator of GPU tensors over NCCL, a stream of its own on each rank. The id goes from
// rank 0 to all through `world`. Error(usage) where no CUDA library is open or the device is none.
// Collective.
std::unique_ptr<Communicator> make_nccl(const World& world, double timeout_s, at::Device device);

}  // namespace ebb::comm
