// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>

namespace ebb::telemetry {

// Prepares a log of JSON lines for a run that resumes at `first_step`, the number of steps done. It removes
// the lines that the run will write again, and an incomplete last line:
// - lines with "step" >= first_step. A line with "eval" holds what was measured after `step` steps,
//   so such a line of first_step itself stays. Lines without a step stay.
// - a last line without a newline, which a killed writer left.
// It replaces the file atomically. It does nothing if no line changes or the file does not exist. It holds
// one line in memory at a time. Error(storage) if the file cannot be read or written.
void drop_lines_from(const std::filesystem::path& path, std::int64_t first_step);

}  // namespace ebb::telemetry
