#pragma once
#include <cstdint>
#include <filesystem>

namespace ebb::telemetry {

// Makes a log of JSON lines fit a run that goes on at `first_step` (the number of steps done): removes the
// lines of steps from there on
// ("step" >= first_step), since they will be written again. A line with "eval" tells what was measured after
// that many steps, so that of first_step itself stays. A last line without its newline (its writer was
// killed) goes too; lines without a step stay. Replaced atomically; a file that needs no change, or is not
// there, is left alone. One line in memory at a time.
void drop_lines_from(const std::filesystem::path& path, std::int64_t first_step);

}  // namespace ebb::telemetry
