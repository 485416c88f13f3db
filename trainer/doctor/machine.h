// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ebb::doctor {

// The facts that one rank finds about its machine. Sizes in bytes; -1 if the system does not report one.
struct RankFacts {
  int rank = 0, size = 1, local_rank = 0, local_size = 1;
  bool launched = false;  // by mpirun or a scheduler
  std::string host;
  std::string versions;  // of ebb and its libraries, in one line; must be equal on every rank

  int cpus = 1;            // hardware threads of the machine
  int bound_cpus = 1;      // hardware threads that this rank may run on
  std::string mask;        // "0-3,8"
  double quota = -1;       // CPUs that the control group allows; -1: no limit
  int threads = 0;         // OMP_NUM_THREADS; 0: unset, ebb divides the CPUs of a host among its ranks
  std::string simd_level;  // "AVX-512", "AVX2", "none"
  bool f16c = false;       // converts fp16 in hardware

  std::int64_t memory_total = -1, memory_available = -1;
  std::int64_t group_limit = -1, group_used = -1;  // of the control group
  std::int64_t shm_total = -1, shm_free = -1;      // /dev/shm
  std::string folder;                              // on the disk that is examined
  std::int64_t disk_free = -1;
  bool folder_writable = false;

  std::string no_device_reason;      // why there is no GPU; empty if there is one
  std::string device_error;          // why libebb_cuda.so cannot be loaded
  std::vector<std::string> devices;  // their names
  std::string driver;                // "13.0": the newest CUDA version that it supports

  std::string mpirun, mpirun_version;
  bool root = false, root_allowed = false;
  bool remote_shell = false, cross_memory = false;
  double unix_time = 0;  // seconds since 1970, read by all ranks at about the same moment
};

// Examines this machine. The caller sets `rank`, `host` and similar fields. `folder` selects the disk; if it
// does not exist, its nearest existing parent does.
RankFacts inspect_machine(const std::string& folder = ".");

// JSON for the exchange of facts between ranks, and for --json. Throws nlohmann::json::exception if a fact is
// missing or of another type.
void to_json(nlohmann::json& json, const RankFacts& facts);
void from_json(const nlohmann::json& json, RankFacts& facts);

}  // namespace ebb::doctor
