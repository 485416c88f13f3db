// SPDX-License-Identifier: Apache-2.0
// Tests SingleCommunicator and MpiCommunicator with CPU tensors. mpirun starts it with 1, 2 and 4 ranks.
#include "comm/conformance.h"
#include "comm/mpi_communicator.h"
#include "comm/single_communicator.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace ebb::comm {

std::vector<Subject> subjects() {
  Subject mpi, single;
  mpi.name = "mpi";
  mpi.make = [](double timeout_s) {
    return std::make_unique<MpiCommunicator>(MPI_COMM_WORLD, timeout_s, nullptr);
  };
  single.name = "single";
  single.make = [](double) { return std::make_unique<SingleCommunicator>(at::kCPU); };
  return world->size() == 1 ? std::vector{mpi, single} : std::vector{mpi};
}

}  // namespace ebb::comm

int main(int argc, char** argv) {
  ebb::memory::install(*new ebb::memory::Ledger);  // never freed, since tensors may outlive main
  const ebb::comm::World world(argc, argv);
  ebb::comm::world = &world;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
