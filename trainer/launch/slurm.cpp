// SPDX-License-Identifier: Apache-2.0
#include "launch/slurm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/process.h"

namespace ebb::launch {
namespace {

std::string slurm_variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

// Slurm sets both names; sites and containers may pass on only one.
std::string slurm_variable(const char* name, const char* older) {
  const std::string value = slurm_variable(name);
  return value.empty() ? slurm_variable(older) : value;
}

// Host files often have full names, and Slurm has short ones.
std::string_view first_label(std::string_view host) {
  return host.substr(0, host.find('.'));
}

const SlurmJob::Host* find_host(const SlurmJob& job, std::string_view name) {
  const auto at = std::ranges::find_if(job.hosts, [&](const SlurmJob::Host& host) {
    return host.name == name || first_label(host.name) == first_label(name);
  });
  return at == job.hosts.end() ? nullptr : &*at;
}

bool is_this_host(const std::string& name) {
  return name == slurm_variable("SLURMD_NODENAME") || first_label(name) == first_label(host_name());
}

// "host-0 (2 tasks), host-1 (1 task), …"
std::string listed(const std::vector<SlurmJob::Host>& hosts) {
  constexpr std::size_t kMost = 8;
  std::vector<std::string> texts;
  for (const SlurmJob::Host& host : hosts) {
    if (texts.size() == kMost) {
      texts.emplace_back("…");
      break;
    }
    texts.push_back(fmt::format("{} ({} task{})", host.name, host.tasks, host.tasks == 1 ? "" : "s"));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

int sum_of_tasks(const std::vector<SlurmJob::Host>& hosts) {
  std::int64_t sum = 0;
  for (const SlurmJob::Host& host : hosts) sum += host.tasks;
  return static_cast<int>(std::min<std::int64_t>(sum, std::numeric_limits<int>::max()));
}

}  // namespace

std::optional<SlurmJob> read_slurm_job() {
  SlurmJob job{.id = slurm_variable("SLURM_JOB_ID", "SLURM_JOBID"), .hosts = {}};
  const std::string hosts = slurm_variable("SLURM_JOB_NODELIST", "SLURM_NODELIST");
  const std::string tasks = slurm_variable("SLURM_TASKS_PER_NODE");
  // mpirun sees a job of Slurm only by the older name.
  if (job.id.empty() || (hosts.empty() && slurm_variable("SLURM_JOBID").empty())) return std::nullopt;
  if (hosts.empty() || tasks.empty())
    throw Error(ExitCode::usage,
                fmt::format("the environment is that of job {} of Slurm, but {} is not set: start ebb launch "
                            "by sbatch or salloc with all of Slurm's variables, or unset SLURM_JOB_ID and "
                            "SLURM_JOBID",
                            job.id, hosts.empty() ? "SLURM_JOB_NODELIST" : "SLURM_TASKS_PER_NODE"));
  const std::string copies = slurm_variable("SLURM_STEP_NUM_TASKS");
  if (!copies.empty() && parse_slurm_counts("SLURM_STEP_NUM_TASKS", copies).front() > 1)
    throw Error(ExitCode::usage,
                fmt::format("srun has started {} copies of ebb launch, and each would start all ranks: "
                            "write `ebb launch` without srun, which it calls itself",
                            copies));
  const std::vector<std::string> names = parse_slurm_hosts("SLURM_JOB_NODELIST", hosts);
  const std::vector<int> counts = parse_slurm_counts("SLURM_TASKS_PER_NODE", tasks);
  if (names.size() != counts.size())
    throw Error(ExitCode::usage,
                fmt::format("SLURM_JOB_NODELIST is {} with {} hosts, but SLURM_TASKS_PER_NODE is {} with {}",
                            hosts, names.size(), tasks, counts.size()));
  for (std::size_t i = 0; i < names.size(); ++i) job.hosts.push_back({names[i], counts[i]});
  job.tasks = sum_of_tasks(job.hosts);
  const std::string asked = slurm_variable("SLURM_NTASKS");
  if (!asked.empty()) job.tasks = std::min(job.tasks, parse_slurm_counts("SLURM_NTASKS", asked).front());
  return job;
}

int ranks_in_job(const SlurmJob& job, std::optional<int> ranks, const std::vector<std::string>& hosts) {
  std::vector<SlurmJob::Host> used;
  for (const std::string& name : hosts) {
    const SlurmJob::Host* const host = find_host(job, name);
    if (host == nullptr)
      throw Error(ExitCode::usage,
                  fmt::format("the host file has {}, which is not in job {} of Slurm: it has {}. Leave "
                              "--hostfile out to use them",
                              name, job.id, listed(job.hosts)));
    used.push_back(*host);
  }
  const int most = used.empty() ? sum_of_tasks(job.hosts) : sum_of_tasks(used);
  const int started = ranks.value_or(used.empty() ? job.tasks : 1);
  if (started > most)
    throw Error(ExitCode::usage,
                fmt::format("-n {} ranks, but job {} of Slurm has {} task{}: {}. Give sbatch or salloc "
                            "--ntasks={}, or lower -n",
                            started, job.id, most, most == 1 ? "" : "s",
                            listed(used.empty() ? job.hosts : used), started));
  return started;
}

void use_slurm_job(const SlurmJob& job, const std::vector<std::string>& hosts, LaunchHost& host) {
  host.ranks_are_placed = true;
  if (!slurm_variable("OMPI_MCA_plm").empty() || !slurm_variable("PRTE_MCA_plm").empty()) return;
  if (!find_on_path("srun").empty()) {
    // The names that mpirun reads.
    const std::string id = slurm_variable("SLURM_JOBID"), list = slurm_variable("SLURM_NODELIST");
    if (id.empty()) host.starter_variables.emplace_back("SLURM_JOBID", job.id);
    if (list.empty())
      host.starter_variables.emplace_back("SLURM_NODELIST", slurm_variable("SLURM_JOB_NODELIST"));
    return;
  }
  std::vector<std::string> used = hosts;
  if (used.empty())
    for (const SlurmJob::Host& one : job.hosts) used.push_back(one.name);
  const bool version_5 = host.major >= 5;
  if (used.size() == 1 && is_this_host(used.front())) {
    // mpirun takes this host for another one if Slurm has another name for it, so it does not ask Slurm.
    host.ranks_are_placed = false;
    if (version_5)
      host.starter_variables = {{"PRTE_MCA_plm", "^slurm"}, {"PRTE_MCA_ras", "^slurm"}};
    else
      host.starter_variables = {{"OMPI_MCA_plm", "isolated"}, {"OMPI_MCA_ras", "^slurm"}};
    return;
  }
  const bool has_agent =
      !slurm_variable("OMPI_MCA_plm_rsh_agent").empty() || !slurm_variable("PRTE_MCA_plm_ssh_agent").empty();
  if (!host.remote_shell && !has_agent)
    throw Error(ExitCode::usage,
                fmt::format("job {} of Slurm has {}; ebb launch reaches other hosts by srun or ssh, and "
                            "neither is on PATH: add the folder of srun to PATH",
                            job.id, listed(job.hosts)));
  host.starter_variables.emplace_back(version_5 ? "PRTE_MCA_plm" : "OMPI_MCA_plm", version_5 ? "ssh" : "rsh");
}

}  // namespace ebb::launch
