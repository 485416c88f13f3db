// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launch/launch_host.h"

namespace ebb::launch {

// A job of Slurm, as sbatch and salloc describe it in the environment.
struct SlurmJob {
  struct Host {
    std::string name;
    int tasks = 0;  // at least 1
  };
  std::string id;
  std::vector<Host> hosts;  // at least one, in Slurm's order
  int tasks = 0;            // that Slurm was asked for: at most the sum of the hosts'
};

// Returns the job that this process is part of; nothing outside of Slurm. Error(usage) names the variable
// that is missing or is not as Slurm writes it. It is an error too if srun has started several copies of this
// process, since each would start all ranks.
std::optional<SlurmJob> read_slurm_job();

// Returns the number of ranks to start: `ranks` if given, else the job's tasks, but 1 with a host file.
// `hosts`: those of the host file; none without one. Error(usage) if a host is not in the job, or if the job
// has fewer tasks there than ranks.
int ranks_in_job(const SlurmJob& job, std::optional<int> ranks, const std::vector<std::string>& hosts);

// Chooses how mpirun starts the ranks: by srun, by a remote shell without srun, or directly if this host is
// the only one. Error(usage) if other hosts cannot be reached. `hosts`: as above.
void use_slurm_job(const SlurmJob& job, const std::vector<std::string>& hosts, LaunchHost& host);

// Returns the hosts of a list such as "node[01-03,7],login". Error(usage) names `variable`.
std::vector<std::string> parse_slurm_hosts(std::string_view variable, std::string_view list);
// Returns the numbers of a list such as "2(x3),1". Error(usage) names `variable`.
std::vector<int> parse_slurm_counts(std::string_view variable, std::string_view list);

}  // namespace ebb::launch
