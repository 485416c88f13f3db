// SPDX-License-Identifier: Apache-2.0
// Tests NcclCommunicator on one GPU. Skips with the reason if there is none.
#include "comm/conformance.h"
#include "memory/cpu_allocator.h"
#include "memory/cuda_library.h"
#include "memory/ledger.h"

namespace ebb::comm {

std::vector<Subject> subjects() {
  Subject nccl;
  nccl.name = "nccl";
  if (memory::CudaLibrary::device_present(&nccl.skip_reason)) {
    nccl.skip_reason.clear();
    nccl.device = at::Device(at::kCUDA, 0);
  }
  nccl.make = [device = nccl.device](double timeout_s) {
    return make_communicator(*world, Backend::nccl, timeout_s, device);
  };
  return {nccl};
}

}  // namespace ebb::comm

int main(int argc, char** argv) {
  if (ebb::memory::CudaLibrary::device_present()) ebb::memory::CudaLibrary::open();  // before any use of ATen
  ebb::memory::install(*new ebb::memory::Ledger);
  const ebb::comm::World world(argc, argv);
  ebb::comm::world = &world;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
