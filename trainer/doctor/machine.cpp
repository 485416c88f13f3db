// SPDX-License-Identifier: Apache-2.0
#include "doctor/machine.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "launch/launch_host.h"
#include "memory/cgroup.h"
#include "memory/cuda_device.h"
#include "memory/cuda_library.h"

namespace ebb::doctor {
namespace {
namespace fs = std::filesystem;

void inspect_cpus(RankFacts& facts) {
  facts.cpus = std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) {
    facts.bound_cpus = CPU_COUNT(&mask);
    for (int first = 0; first < CPU_SETSIZE; ++first) {
      if (!CPU_ISSET(first, &mask)) continue;
      int last = first;
      while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &mask)) ++last;
      facts.mask += facts.mask.empty() ? "" : ",";
      facts.mask += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
      first = last;
    }
  }
  double period = 0;
  std::string quota;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> quota >> period) {
    if (quota != "max" && period > 0) facts.quota = std::atof(quota.c_str()) / period;
  } else {
    std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
        v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    double microseconds = 0;
    if (v1_quota >> microseconds && v1_period >> period && microseconds > 0 && period > 0) {
      facts.quota = microseconds / period;
    }
  }
  if (const char* threads = std::getenv("OMP_NUM_THREADS")) facts.threads = std::max(0, std::atoi(threads));
  facts.vectors = "none";
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) facts.vectors = "AVX2";
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) facts.vectors = "AVX-512";
  facts.f16c = __builtin_cpu_supports("f16c") != 0;
#elif defined(__aarch64__)
  facts.vectors = "NEON";
  facts.f16c = true;
#endif
}

void inspect_memory(RankFacts& facts) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t kib = 0;
    if (!(words >> name >> kib)) continue;
    if (name == "MemTotal:") facts.memory_total = kib * 1024;
    if (name == "MemAvailable:") facts.memory_available = kib * 1024;
  }
  const memory::CgroupUse use = memory::Cgroup().read();
  facts.group_limit = use.limit;
  facts.group_used = use.used;
  // Control groups of version 1 report "no limit" as a huge number.
  if (facts.memory_total > 0 && facts.group_limit > facts.memory_total) facts.group_limit = -1;
}

void inspect_storage(const fs::path& asked, RankFacts& facts) {
  struct statvfs shm{}, disk{};
  if (::statvfs("/dev/shm", &shm) == 0) {
    facts.shm_total = static_cast<std::int64_t>(shm.f_blocks) * static_cast<std::int64_t>(shm.f_frsize);
    facts.shm_free = static_cast<std::int64_t>(shm.f_bavail) * static_cast<std::int64_t>(shm.f_frsize);
  }
  std::error_code error;
  fs::path folder = fs::weakly_canonical(asked, error);
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  facts.folder = folder.string();
  if (::statvfs(folder.c_str(), &disk) == 0) {
    facts.disk_free = static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
  }
  facts.folder_writable = ::access(folder.c_str(), W_OK) == 0;
}

void inspect_devices(RankFacts& facts) {
  if (!memory::CudaLibrary::device_present(&facts.no_device)) return;
  try {
    memory::CudaLibrary::open();
    for (int i = 0; i < memory::device_count(); ++i) facts.devices.push_back(memory::device_name(i));
    int driver = 0, runtime = 0;
    if (memory::cuda_memory()->versions(&driver, &runtime) == 0)
      facts.driver = fmt::format("{}.{}", driver / 1000, driver % 1000 / 10);
  } catch (const std::exception& error) {
    facts.device_error = error.what();
  }
}

void inspect_mpi(RankFacts& facts) {
  facts.mpirun = launch::find_on_path("mpirun");
  if (!facts.mpirun.empty()) facts.mpirun_version = launch::mpirun_version(facts.mpirun);
  facts.root = ::geteuid() == 0;
  const char* const allowed = std::getenv("OMPI_ALLOW_RUN_AS_ROOT");
  const char* const confirmed = std::getenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM");
  facts.root_allowed = allowed != nullptr && confirmed != nullptr;
  facts.remote_shell = !launch::find_on_path("ssh").empty() || !launch::find_on_path("rsh").empty();
  facts.cross_memory = launch::may_read_process_memory();
}

}  // namespace

RankFacts inspect_machine(const std::string& folder) {
  RankFacts facts;
  facts.time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  inspect_cpus(facts);
  inspect_memory(facts);
  inspect_storage(folder, facts);
  inspect_devices(facts);
  inspect_mpi(facts);
  return facts;
}

}  // namespace ebb::doctor
