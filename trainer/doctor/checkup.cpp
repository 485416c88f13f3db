// SPDX-License-Identifier: Apache-2.0
#include "doctor/checkup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "base/terminal.h"
#include "base/units.h"

namespace ebb::doctor {
namespace {

constexpr std::int64_t kMiB = 1 << 20, kGiB = 1 << 30;
// An idle rank occupies about 120 MiB: the code of LibTorch and Open MPI.
constexpr std::int64_t kMinMemory = 256 * kMiB, kGoodMemory = kGiB;
constexpr std::int64_t kShmPerRank = 64 * kMiB;
constexpr std::int64_t kMinDisk = 200 * kMiB, kGoodDisk = 2 * kGiB;
constexpr double kClockSkew_s = 5;

using Ranks = std::vector<const RankFacts*>;

// The results of the checks so far.
struct Findings {
  std::vector<Check> checks;
  bool many_hosts = false;

  void ok(const std::string& name, std::string found) {
    checks.push_back({name, Health::ok, std::move(found), {}, ExitCode::ok});
  }
  void warn(const std::string& name, std::string found, std::string to_do) {
    checks.push_back({name, Health::warn, std::move(found), std::move(to_do), ExitCode::ok});
  }
  void fail(const std::string& name, ExitCode code, std::string found, std::string to_do) {
    checks.push_back({name, Health::fail, std::move(found), std::move(to_do), code});
  }
};

std::string plural(std::int64_t n, const char* noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

// Returns the number of CPUs that the ranks of a host share.
double usable_cpus(const RankFacts& host) {
  return host.quota > 0 ? std::min<double>(host.cpus, host.quota) : host.cpus;
}

void examine_ranks(const std::vector<RankFacts>& ranks, const std::map<std::string, Ranks>& hosts,
                   Findings& e) {
  const RankFacts& first = ranks.front();
  if (!first.launched) {
    e.ok("ranks",
         fmt::format("1 on {}, not started by mpirun (ebb launch -n N CONFIG starts N)", first.host));
  } else {
    std::string where;
    for (const auto& [host, there] : hosts)
      where += fmt::format("{}{}: {}", where.empty() ? "" : ", ", host, there.size());
    e.ok("ranks", fmt::format("{} on {} ({})", ranks.size(),
                              plural(static_cast<std::int64_t>(hosts.size()), "host"), where));
  }
  for (const RankFacts& rank : ranks) {
    if (rank.versions == first.versions) continue;
    e.fail("versions", ExitCode::communication,
           fmt::format("rank {} on {} runs {}, rank 0 on {} runs {}", rank.rank, rank.host, rank.versions,
                       first.host, first.versions),
           "install the same ebb and the same libraries on every host");
    return;
  }
  e.ok("versions", first.versions);
  double earliest = first.unix_time, latest = first.unix_time;
  for (const RankFacts& rank : ranks) {
    earliest = std::min(earliest, rank.unix_time);
    latest = std::max(latest, rank.unix_time);
  }
  if (latest - earliest > kClockSkew_s) {
    e.warn("clock", fmt::format("the ranks' clocks differ by {}", format_duration(latest - earliest)),
           "synchronise the hosts with one time server (NTP): leases of run folders compare clocks");
  } else if (hosts.size() > 1) {
    e.ok("clock", fmt::format("the ranks' clocks agree within {}", format_duration(kClockSkew_s)));
  }
}

void examine_cpus(const Ranks& there, const std::string& name, Findings& e) {
  const RankFacts& host = *there.front();
  const auto count = static_cast<int>(there.size());
  const double cpus = usable_cpus(host);
  const std::string machine =
      host.quota > 0 && host.quota < host.cpus
          ? fmt::format("{} ({:.3g} by the control group)", plural(host.cpus, "CPU"), host.quota)
          : plural(host.cpus, "CPU");
  const std::string convert = host.f16c ? host.simd_level + ", fp16 converted in hardware" : host.simd_level;
  const int share = std::max(1, static_cast<int>(cpus) / count);
  for (const RankFacts* rank : there) {
    const int threads = rank->threads > 0 ? rank->threads : share;
    if (rank->bound_cpus >= threads) continue;
    e.warn(name,
           fmt::format("rank {} may run on CPU {} only, and has {}; {}", rank->rank, rank->mask,
                       plural(threads, "thread"), machine),
           "start with mpirun --bind-to none, as ebb launch does");
    return;
  }
  const int threads = host.threads > 0 ? host.threads : share;
  const std::string each =
      fmt::format("{}, {} with {} each{}; {}", machine, plural(count, "rank"), plural(threads, "thread"),
                  host.threads > 0 ? " (OMP_NUM_THREADS)" : "", convert);
  if (threads * count > static_cast<int>(std::ceil(cpus))) {
    e.warn(name, each,
           count > static_cast<int>(cpus)
               ? "more ranks than CPUs: they will wait for each other; start fewer ranks"
               : fmt::format("more threads than CPUs: set OMP_NUM_THREADS={}", share));
  } else if (!host.f16c) {
    e.warn(name, each, "fp16 is slow on this CPU: precision.dtype=fp32 is faster");
  } else {
    e.ok(name, each);
  }
}

void examine_memory(const Ranks& there, const std::string& name, Findings& e) {
  const RankFacts& host = *there.front();
  const auto count = static_cast<std::int64_t>(there.size());
  std::int64_t free = host.memory_available;
  std::string found =
      fmt::format("{} free of {}", format_bytes(host.memory_available), format_bytes(host.memory_total));
  if (host.group_limit > 0) {
    const std::int64_t in_group = host.group_limit - std::max<std::int64_t>(0, host.group_used);
    found += fmt::format("; the control group allows {}, {} used", format_bytes(host.group_limit),
                         format_bytes(host.group_used));
    free = free < 0 ? in_group : std::min(free, in_group);
  } else {
    found += "; no control group limit";
  }
  if (free < 0) return e.warn(name, "the system does not report free memory", "check that /proc is mounted");
  const std::int64_t each = std::max<std::int64_t>(0, free) / count;
  found += fmt::format("; {} for each of {}", format_bytes(each), plural(count, "rank"));
  if (each < kMinMemory) {
    e.fail(name, ExitCode::memory, found,
           fmt::format("a rank needs {} before it holds any model: end other programs, raise the container's "
                       "limit, or start fewer ranks",
                       format_bytes(kMinMemory)));
  } else if (each < kGoodMemory) {
    e.warn(name, found,
           fmt::format("less than {} a rank: small models only; keep data.batch / data.micro_batches low",
                       format_bytes(kGoodMemory)));
  } else {
    e.ok(name, found);
  }
}

void examine_shm(const Ranks& there, const std::string& name, Findings& e) {
  const RankFacts& host = *there.front();
  const std::int64_t wanted = kShmPerRank * static_cast<std::int64_t>(there.size());
  if (host.shm_total < 0) {
    e.warn(name, "there is no /dev/shm", "mount one (tmpfs): ranks of one host exchange messages there");
    return;
  }
  const std::string found =
      fmt::format("{} free of {}", format_bytes(host.shm_free), format_bytes(host.shm_total));
  if (host.shm_free < wanted) {
    e.warn(name, found,
           fmt::format("{} are needed for {}: docker run --shm-size, or an emptyDir of medium Memory at "
                       "/dev/shm; remove the files of dead runs",
                       format_bytes(wanted), plural(static_cast<std::int64_t>(there.size()), "rank")));
  } else {
    e.ok(name, found);
  }
}

void examine_disk(const Ranks& there, const std::string& name, Findings& e) {
  const RankFacts& host = *there.front();
  const std::string found = fmt::format(
      "{} free in {}", host.disk_free < 0 ? "unknown" : format_bytes(host.disk_free), host.folder);
  if (host.disk_free >= 0 && host.disk_free < kMinDisk) {
    e.fail(name, ExitCode::storage, found,
           "make room, or point run.dir at another disk: checkpoints would not fit");
  } else if (!host.folder_writable) {
    e.warn(name, found + ", not writable by this user", "start in another folder, or set run.dir");
  } else if (host.disk_free >= 0 && host.disk_free < kGoodDisk) {
    e.warn(name, found, "keep checkpoint.keep low, or point run.dir at another disk");
  } else {
    e.ok(name, found);
  }
}

void examine_devices(const Ranks& there, const std::string& name, Findings& e) {
  const RankFacts& host = *there.front();
  if (!host.no_device_reason.empty())
    return e.ok(name, fmt::format("none, training on the CPU ({})", host.no_device_reason));
  if (!host.device_error.empty()) {
    return e.fail(name, ExitCode::usage, host.device_error,
                  "build with the CUDA preset, or train on the CPU with run.device=cpu");
  }
  std::string found = plural(static_cast<std::int64_t>(host.devices.size()), "device");
  for (std::size_t i = 0; i < host.devices.size(); ++i)
    found += fmt::format("{} {}", i == 0 ? ":" : ",", host.devices[i]);
  if (!host.driver.empty()) found += fmt::format("; driver for CUDA up to {}", host.driver);
  if (host.devices.size() < there.size()) {
    e.warn(name, found,
           fmt::format("{} would share them: NCCL takes one rank per device",
                       plural(static_cast<std::int64_t>(there.size()), "rank")));
  } else {
    e.ok(name, found);
  }
}

int major_of(const std::string& version, const std::string& after) {
  const std::size_t at = version.find(after);
  return at == std::string::npos ? 0 : std::atoi(version.c_str() + at + after.size());
}

void examine_mpi(const Ranks& there, const std::string& name, Findings& e) {
  const RankFacts& host = *there.front();
  if (host.mpirun.empty()) {
    return e.warn(name, "there is no mpirun on PATH",
                  "for more than one rank install Open MPI (Debian, Ubuntu: apt-get install openmpi-bin)");
  }
  const std::string found =
      fmt::format("{}, {}", host.mpirun_version.empty() ? "no version" : host.mpirun_version, host.mpirun);
  const int of_mpirun = major_of(host.mpirun_version, "(Open MPI) "),
            of_library = major_of(host.versions, "Open MPI v");
  if (of_mpirun == 0 || (of_library != 0 && of_mpirun != of_library)) {
    return e.fail(name, ExitCode::communication,
                  fmt::format("{}, but ebb is linked to another MPI ({})", found, host.versions),
                  "put the mpirun of that MPI first on PATH: with this one each rank would run alone");
  }
  if (host.root && !host.root_allowed) {
    return e.warn(name, found + "; mpirun refuses to run as root",
                  "use ebb launch, or: export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
  }
  if (!host.remote_shell && of_mpirun < 5) {
    return e.warn(name, found + "; ssh is missing, and this version needs it even on one host",
                  "use ebb launch, or mpirun --mca plm isolated");
  }
  if (!host.cross_memory && of_mpirun < 5) {
    return e.warn(
        name,
        found + "; the container forbids ranks to read each other's memory, so messages are copied twice",
        "use ebb launch, or mpirun --mca btl_vader_single_copy_mechanism none; allow SYS_PTRACE for full "
        "speed");
  }
  e.ok(name, found);
}

}  // namespace

std::vector<Check> examine(const std::vector<RankFacts>& ranks) {
  std::map<std::string, Ranks> hosts;
  for (const RankFacts& rank : ranks) hosts[rank.host].push_back(&rank);
  Findings e;
  examine_ranks(ranks, hosts, e);
  using Part = void (*)(const Ranks&, const std::string&, Findings&);
  const std::vector<std::pair<std::string, Part>> parts = {
      {"mpirun", examine_mpi}, {"cpu", examine_cpus},  {"memory", examine_memory},
      {"shm", examine_shm},    {"disk", examine_disk}, {"gpu", examine_devices}};
  for (const auto& [host, there] : hosts) {
    for (const auto& [name, part] : parts) {
      const std::size_t before = e.checks.size();
      part(there, name, e);
      for (std::size_t i = before; hosts.size() > 1 && i < e.checks.size(); ++i) {
        e.checks[i].found = fmt::format("{}: {}", host, e.checks[i].found);
      }
    }
  }
  return e.checks;
}

ExitCode exit_code(const std::vector<Check>& checks) {
  for (const ExitCode worst : {ExitCode::communication, ExitCode::memory, ExitCode::storage}) {
    for (const Check& check : checks) {
      if (check.health == Health::fail && check.code == worst) return worst;
    }
  }
  for (const Check& check : checks) {
    if (check.health == Health::fail) return check.code;
  }
  return ExitCode::ok;
}

std::string as_text(const std::vector<Check>& checks, int columns) {
  std::string text;
  for (const Check& check : checks) {
    const char* const word = check.health == Health::ok     ? "ok"
                             : check.health == Health::warn ? "warn"
                                                            : "FAIL";
    text += wrap_after(fmt::format("{:<5} {:<9} ", word, check.name), check.found, columns) + "\n";
    if (!check.to_do.empty()) text += wrap_after(fmt::format("{:<15} -> ", ""), check.to_do, columns) + "\n";
  }
  return text;
}

}  // namespace ebb::doctor
