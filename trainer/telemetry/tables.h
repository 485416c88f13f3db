// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "memory/ledger.h"

namespace ebb::telemetry {

// The memory peaks of a rank over the whole run, in bytes.
struct RankPeaks {
  int rank = 0;
  std::string host;
  memory::Sums host_bytes{};  // peak of each class; the peaks need not coincide
  memory::Sums device_bytes{};
  std::int64_t host_total = 0;  // peak of the sum over classes, at most the sum of the peaks
  std::int64_t device_total = 0;
  std::int64_t resident = 0;  // resident set
  std::int64_t outside = 0;   // resident set minus the ledger's bytes; 0 if not measured

  // The text that ranks exchange by World::gather_to_all. parse() throws Error(communication) for other text.
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static RankPeaks parse(const std::string& text);
};

// Formats a table with one row per rank, or two (host and device) if a device held anything. Its columns are
// the classes that a rank used, then total, resident and outside. It is at most 110 characters wide, with
// shorter headings and units if necessary. Ends with a newline.
std::string peak_table(const std::vector<RankPeaks>& ranks);

}  // namespace ebb::telemetry
