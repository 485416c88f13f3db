#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "memory/ledger.h"

namespace ebb::telemetry {

// The largest bytes that a rank held over the whole run.
struct RankPeaks {
  int rank = 0;
  std::string host;
  memory::Sums host_bytes{};  // by class, each at its own highest
  memory::Sums device_bytes{};
  std::int64_t host_total = 0;  // highest sum over classes (not the sum of the highest)
  std::int64_t device_total = 0;
  std::int64_t resident = 0;  // resident set
  std::int64_t outside = 0;   // resident, but not the ledger's; 0: not measured

  // For World::gather_to_all.
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static RankPeaks parse(const std::string& text);
};

// A row a rank (two where devices hold something: its host and its device), a column a class that any rank
// used, then total, resident and outside. At most 110 columns wide: with short headings and units where the
// long ones do not fit. Ends with a newline.
std::string peak_table(const std::vector<RankPeaks>& ranks);

}  // namespace ebb::telemetry
