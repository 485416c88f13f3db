// SPDX-License-Identifier: Apache-2.0
// Two ranks under mpirun. argv[1] selects how they end.
#include <cstdio>
#include <string>

#include "base/error.h"
#include "comm/world.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace {

using namespace ebb;

// Rank 1 ends all ranks while rank 0 waits for it.
void end_all(const comm::World& world) {
  if (world.rank() == 1) world.end_all(ExitCode::numerics);
  (void)world.gather_to_all("", 60);
}

// Rank 1 does not take part in the agreement. Rank 0 fails by its time limit and returns.
void give_up(const comm::World& world) {
  if (world.rank() == 0) (void)world.gather_to_all("", 0.3);
}

// A communicator breaks during a large transfer; the World does not.
void leave_broken(const comm::World& world) {
  const auto communicator = comm::make_communicator(world, comm::Backend::mpi, 0.3, at::kCPU);
  try {
    const at::Tensor tensor = at::ones({4'000'000});
    if (world.rank() == 0) communicator->all_reduce(tensor, "large");
  } catch (const Error& error) {
    std::printf("rank 0: %s\n", error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  memory::install(*new memory::Ledger);
  const std::string how = argc > 1 ? argv[1] : "";
  const comm::World world(argc, argv);
  try {
    if (how == "end_all") end_all(world);
    if (how == "give_up") give_up(world);
    if (how == "leave_broken") leave_broken(world);
  } catch (const Error& error) {
    std::printf("rank %d: %s\n", world.rank(), error.what());
  }
  return 0;
}
