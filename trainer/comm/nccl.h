// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "comm/communicator.h"
#include "comm/world.h"

namespace ebb::comm {

// The functions of libebb_cuda.so for this layer. Its extern "C" function ebb_cuda_comm() returns
// them.
struct CudaCommTable {
  static constexpr int kIdBytes = 128;
  void (*make_id)(char* id);  // on rank 0; writes kIdBytes
  Communicator* (*make)(const char* id, int rank, int size, int device, double timeout_s);
  int (*version)();  // 22809 means 2.28.9
};

// A communicator of GPU tensors over NCCL, with its own stream on each rank. It differs from
// Communicator's contract in one point: NCCL sums fp16 and bf16 in its own order, with intermediate
// rounding. Collective over `world`, which also distributes NCCL's id. Error(usage) if no CUDA
// library is open or `device` is no GPU.
std::unique_ptr<Communicator> make_nccl(const World& world, double timeout_s, at::Device device);

}  // namespace ebb::comm
