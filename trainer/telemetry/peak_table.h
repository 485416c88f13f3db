// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "memory/ledger.h"

namespace ebb::telemetry {

// The memory of a run, in bytes: live bytes at their largest sum, and the maxima of mapped and resident
// memory.
struct PeakBytes {
  memory::Sums classes{};                    // add up to the peak
  std::int64_t kept = 0;                     // of the host: BlockCache::overhead_bytes()
  std::int64_t resident = 0;                 // of the host: the maximum resident set
  std::vector<memory::PhaseTotal> phases{};  // of the device, if the run has one; empty: unknown
};

// The peaks of a rank over the whole run.
struct RankPeaks {
  int rank = 0;
  std::string host;
  PeakBytes host_bytes;
  memory::Sums device_bytes{};  // at the peak of the device; zeros: none

  // The text that ranks exchange by World::gather_to_all. parse() throws Error(communication) for other text.
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static RankPeaks parse(const std::string& text);
};

// Formats a table with a column for the plan, if there is one, and one for each of up to four ranks; of more
// ranks, for those with the least and the most resident memory. Its rows are the classes that have bytes,
// their total, what is kept, what lies outside, and their sum, the resident set. Device and host have rows of
// their own. Several phases follow in a part of their own. Where `screen` has too few columns for four ranks,
// it shows those two of fewer ranks, too. At most 80 characters wide; ends with a newline.
std::string peak_table(const std::vector<RankPeaks>& ranks, const std::optional<PeakBytes>& plan,
                       int screen = 80);

}  // namespace ebb::telemetry
