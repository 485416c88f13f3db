// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "memory/block_cache.h"
#include "memory/ledger.h"

namespace ebb::memory {

// Resident memory of this process that no tensor and no Buffer holds, in bytes.
struct UntrackedMemory {
  std::int64_t outside = 0;  // code, libraries, MPI, malloc, threads
  std::int64_t kept = 0;     // pages that the cache of blocks keeps
};
// -1 in both if the kernel does not report the resident set.
UntrackedMemory measure_untracked_memory(const Ledger& ledger, const BlockCache& cache);

// Resident bytes of a process by kind of mapping, and its threads. The kernel does not tell the stacks of
// threads from other mappings.
struct MappedMemory {
  std::int64_t heap = 0;  // malloc's main arena
  std::int64_t maps = 0;  // other anonymous mappings: malloc's other arenas and large blocks, tensors, stacks
  std::int64_t files = 0;  // code and data of files, and shared memory
  std::int64_t threads = 0;
};
// `process`: a folder with the files smaps and status, in the form of the kernel (proc(5)).
MappedMemory measure_mapped_memory(const std::filesystem::path& process = "/proc/self");

// Warns of untracked memory (`outside` or `kept`) that grows steadily over many steps. The leak gate does not
// see it. Each window of kWindow steps has its smallest measurement as its value, so memory that an
// evaluation takes for a while has no effect. The first kSettling windows are ignored.
class GrowthWatch {
 public:
  static constexpr std::int64_t kWindow = 100;  // steps
  static constexpr std::int64_t kEvery = 10;    // steps from one measurement to the next
  static constexpr std::size_t kSettling = 3;   // windows
  static constexpr std::size_t kWindows = 10;   // over which the slope is fitted
  // `limit`: bytes per 1,000 steps; 0: no warning.
  explicit GrowthWatch(std::int64_t limit) : limit_(limit) {}
  // Whether observe() wants a measurement after this step (from 0).
  [[nodiscard]] bool is_due(std::int64_t step) const { return limit_ > 0 && step % kEvery == 0; }
  // Call it after each step that is due. Returns a warning at the end of a window on two conditions: the
  // slope of `outside` or `kept` over the last kWindows windows exceeds the limit, and two thirds of these
  // windows are above the one before. It has the figures and what grew. The next one needs as many windows
  // again.
  std::optional<std::string> observe(std::int64_t step, const UntrackedMemory& now);

 private:
  std::int64_t limit_;
  std::vector<UntrackedMemory> windows_;  // since the last warning
  std::optional<UntrackedMemory> least_;  // of the window that has begun
  std::int64_t seen_ = 0;                 // measurements of it
  std::size_t settling_ = kSettling;      // windows to skip
  MappedMemory mapped_;                   // at the end of the first window that counts
  std::int64_t mapped_at_ = -1;           // its last step; -1: not yet
};

}  // namespace ebb::memory
