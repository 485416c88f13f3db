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
#include <iterator>

#include "base/cpu_quota.h"
#include "launch/launch_host.h"
#include "memory/cgroup.h"
#include "memory/cuda_device.h"
#include "memory/cuda_library.h"
#include "memory/proc_text.h"

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
  if (const double cores = read_cpu_quota().cores; cores > 0) facts.quota = cores;
  if (const char* threads = std::getenv("OMP_NUM_THREADS")) facts.threads = std::max(0, std::atoi(threads));
  facts.simd_level = "none";
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) facts.simd_level = "AVX2";
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) facts.simd_level = "AVX-512";
  facts.f16c = __builtin_cpu_supports("f16c") != 0;
#elif defined(__aarch64__)
  facts.simd_level = "NEON";
  facts.f16c = true;
#endif
}

void inspect_memory(RankFacts& facts) {
  std::ifstream file("/proc/meminfo");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  facts.memory_total = memory::kilobytes_after(text, "MemTotal:");
  facts.memory_available = memory::kilobytes_after(text, "MemAvailable:");
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
  if (!memory::CudaLibrary::device_present(&facts.no_device_reason)) return;
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

// Visits each fact with its key in JSON. Keys stay when a member is renamed.
template <class Facts, class Visit>
void for_each_fact(Facts& facts, const Visit& visit) {
  visit("rank", facts.rank);
  visit("size", facts.size);
  visit("local_rank", facts.local_rank);
  visit("local_size", facts.local_size);
  visit("launched", facts.launched);
  visit("host", facts.host);
  visit("versions", facts.versions);
  visit("cpus", facts.cpus);
  visit("bound_cpus", facts.bound_cpus);
  visit("mask", facts.mask);
  visit("quota", facts.quota);
  visit("threads", facts.threads);
  visit("vectors", facts.simd_level);
  visit("f16c", facts.f16c);
  visit("memory_total", facts.memory_total);
  visit("memory_available", facts.memory_available);
  visit("group_limit", facts.group_limit);
  visit("group_used", facts.group_used);
  visit("shm_total", facts.shm_total);
  visit("shm_free", facts.shm_free);
  visit("folder", facts.folder);
  visit("disk_free", facts.disk_free);
  visit("folder_writable", facts.folder_writable);
  visit("no_device", facts.no_device_reason);
  visit("device_error", facts.device_error);
  visit("devices", facts.devices);
  visit("driver", facts.driver);
  visit("mpirun", facts.mpirun);
  visit("mpirun_version", facts.mpirun_version);
  visit("root", facts.root);
  visit("root_allowed", facts.root_allowed);
  visit("remote_shell", facts.remote_shell);
  visit("cross_memory", facts.cross_memory);
  visit("time", facts.unix_time);
}

}  // namespace

RankFacts inspect_machine(const std::string& folder) {
  RankFacts facts;
  facts.unix_time =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  inspect_cpus(facts);
  inspect_memory(facts);
  inspect_storage(folder, facts);
  inspect_devices(facts);
  inspect_mpi(facts);
  return facts;
}

void to_json(nlohmann::json& json, const RankFacts& facts) {
  for_each_fact(facts, [&json](const char* key, const auto& value) { json[key] = value; });
}

void from_json(const nlohmann::json& json, RankFacts& facts) {
  for_each_fact(facts, [&json](const char* key, auto& value) { json.at(key).get_to(value); });
}

}  // namespace ebb::doctor
