// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "memory/ledger.h"
#include "memory/system_memory.h"

namespace ebb::telemetry {

// Writes RUN/memory/rank-NNNNN.jsonl: one line per step, with this rank's bytes by class and stage and the
// values that the kernel and the driver report. docs/memory-log.md has the schema. Not thread-safe.
class MemoryLog {
 public:
  // `ledger` must outlive the object. `cache`: the installed cache of host blocks, which must also
  // outlive it; null if there is none. `device`: of the run's tensors. `every`: steps between two lines.
  // `first_step`: steps done before; later lines are removed (drop_lines_from). `predicted`: the planned
  // maximum of live bytes within a step; -1: not planned. `ranks`: of the run.
  MemoryLog(const std::filesystem::path& run_folder, int rank, std::string host, const memory::Ledger& ledger,
            const memory::BlockCache* cache, c10::Device device, std::int64_t every, std::int64_t first_step,
            std::int64_t predicted = -1, int ranks = 1);
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
  LineFile file_;
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

}  // namespace ebb::telemetry
