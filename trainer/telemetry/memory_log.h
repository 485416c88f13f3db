// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "memory/config.h"
#include "memory/ledger.h"
#include "memory/system_memory.h"
#include "telemetry/rotated_log.h"

namespace ebb::telemetry {

// Writes RUN/memory/rank-NNNNN.jsonl: one line per step, with this rank's bytes by class and stage and the
// values that the kernel and the driver report. A line is short if its step had the same bytes as the last
// whole line. docs/memory-log.md has the schema. Not thread-safe.
class MemoryLog {
 public:
  // `ledger` must outlive the object. `cache`: the installed cache of host blocks, which must also
  // outlive it; null if there is none. `device`: of the run's tensors. `config`: steps between two lines, and
  // bytes of the files. `first_step`: steps done before; later lines are removed (RotatedLog). `predicted`:
  // the planned maximum of live bytes within a step; -1: not planned. `ranks`: of the run.
  MemoryLog(const std::filesystem::path& run_folder, int rank, std::string host, const memory::Ledger& ledger,
            const memory::BlockCache* cache, c10::Device device, const memory::MemoryConfig& config,
            std::int64_t first_step, std::int64_t predicted = -1, int ranks = 1);
  // Call it at the end of step `step` (from 0), after saving and evaluation. Error(storage) if the
  // write fails.
  void write(std::int64_t step);

 private:
  const memory::Ledger& ledger_;
  const memory::BlockCache* cache_;
  c10::Device device_;
  int rank_;
  std::string host_;
  std::int64_t every_;
  std::int64_t predicted_;
  int ranks_;
  RotatedLog file_;
  std::string last_whole_;               // its bytes, as bytes_of_step()
  std::int64_t last_peak_resident_ = 0;  // in it
  std::int64_t short_lines_ = 0;         // since then
};

// Returns the maximum of live bytes of each class since the last reset_peaks().
memory::Sums step_peak(const memory::Ledger& ledger, memory::Ledger::Location location);

// The origin of a line of the log.
struct LineHeader {
  std::int64_t step;
  double time_s;  // since 1970
  int rank;
  std::string host;
  std::int64_t predicted = -1;  // bytes; -1: not planned
  int ranks = 1;                // of the run
};

// Formats one line of the log, without its newline. The figures of the ledger count from its last
// reset_peaks().
std::string memory_line(const LineHeader& header, const memory::Ledger& ledger,
                        const memory::SystemMemory& outside);

// Formats the line of a step with the same bytes as that of the last whole line: at most 120 bytes below
// 10^11 bytes of memory.
std::string short_memory_line(std::int64_t step, double time_s, const memory::Ledger& ledger,
                              const memory::SystemMemory& outside);

}  // namespace ebb::telemetry
