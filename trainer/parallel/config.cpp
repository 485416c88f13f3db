// SPDX-License-Identifier: Apache-2.0
#include "parallel/config.h"

namespace ebb::parallel {

void ParallelConfig::describe(config::Section& s) {
  using comm::Backend;
  s.choice("backend", backend,
           {{"auto", Backend::automatic},
            {"single", Backend::single},
            {"mpi", Backend::mpi},
            {"nccl", Backend::nccl}})
      .doc("Backend of the collectives. auto: single for one rank, NCCL for ranks on GPUs, else MPI.")
      .free_to_change();
  s.integer("ranks", ranks)
      .at_least(0)
      .at_most(1 << 20)
      .doc("Ranks that the run expects; another number is refused. 0 accepts any number.")
      .free_to_change();
  s.removed("shard", "leave it out: every rank keeps a whole copy of the training state");
  s.removed("reduction", "leave it out: the backend determines the order of sums (MPI: rank order)");
  s.bytes("bucket", bucket_bytes)
      .at_least(1024)
      .doc("Gradients are reduced in buckets of about this size while backward still runs.")
      .free_to_change();
  s.duration("timeout", timeout_s)
      .above(0)
      .doc(
          "A collective that takes longer ends the run with code 5. With MPI the message names the missing "
          "ranks.")
      .free_to_change();
  s.integer("threads", threads)
      .at_least(0)
      .at_most(1024)
      .doc(
          "Compute threads of each rank. 0: the cores of this machine, or those that the control group "
          "allows, divided by the ranks. Another number may change the last bits.")
      .free_to_change();
  s.flag("pin", pin)
      .doc(
          "Binds each rank of a machine to its own adjacent cores on a NUMA node, unless mpirun has "
          "bound it already.")
      .free_to_change();
}

}  // namespace ebb::parallel
