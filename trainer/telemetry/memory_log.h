#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "memory/ledger.h"
#include "memory/outside.h"

namespace ebb::telemetry {

// RUN/memory/rank-NNNNN.jsonl: a line a step with this rank's bytes by class and stage, beside what the
// kernel and the driver say. Schema: docs/memory-log.md. One thread.
class MemoryLog {
 public:
  // `first_step`: steps done before; lines from there on are dropped, since they will be written again.
  // `every`: steps between lines. `cache`: the installed cache of host blocks, null where there is none.
  MemoryLog(const std::filesystem::path& run_folder, int rank, std::string host, const memory::Ledger& ledger,
            const memory::BlockCache* cache, std::int64_t every, std::int64_t first_step);
  // After step `step` (from 0) and all that followed it. Error(storage) when it cannot be written.
  void write(std::int64_t step);

 private:
  const memory::Ledger& ledger_;
  const memory::BlockCache* cache_;
  int rank_;
  std::string host_;
  std::int64_t every_;
  LineFile file_;
};

// The most bytes of each class that were alive at once since the last reset_peaks().
memory::Sums step_peak(const memory::Ledger& ledger, memory::Ledger::Place place);

// One line of it, without its end: what the ledger says since its last reset_peaks(), beside what was
// measured.
struct LineOrigin {
  std::int64_t step;
  double time_s;  // since 1970
  int rank;
  std::string host;
};
std::string memory_line(const LineOrigin& origin, const memory::Ledger& ledger,
                        const memory::Outside& outside);

}  // namespace ebb::telemetry
