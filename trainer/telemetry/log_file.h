// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>

namespace ebb::telemetry {

// Bytes of a line that a log is read for. ebb writes shorter ones.
inline constexpr std::int64_t kLongestLogLine = 1 << 20;

// Prepares a log of JSON lines for a run that resumes at `first_step`, the number of steps done. It removes
// the lines that the run will write again, and an incomplete last line:
// - lines with "step" >= first_step, and all lines after the first of them. A line with "eval" holds what was
//   measured after `step` steps, so such a line of first_step itself stays. Steps never decrease in a log.
// - a last line without a newline, which a killed writer left.
// It reads the file from its end up to the last line that stays, and cuts it there. It does nothing if no
// line changes or the file does not exist. A line above kLongestLogLine counts as one without a step, and is
// not held in memory. Error(storage) if the file cannot be read or written.
void drop_lines_from(const std::filesystem::path& path, std::int64_t first_step);

}  // namespace ebb::telemetry
