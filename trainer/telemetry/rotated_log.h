// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "base/line_file.h"

namespace ebb::telemetry {

// A log of JSON lines whose files stay below a size. NAME.jsonl has the newest lines. When it has an eighth
// of the limit and a line comes, it is packed as NAME.NNNNNN.jsonl.zst, with a number that grows, and a new
// one begins. The oldest parts are removed. One writer; not thread-safe. All members throw Error(storage) if
// a file cannot be read, written or removed.
class RotatedLog {
 public:
  // `path`: NAME.jsonl. `limit`: bytes of all files together, at least 8 KiB. `first_step`: the steps done
  // before; later lines are removed, as drop_lines_from() does. A part that had been packed becomes
  // NAME.jsonl again if the run resumes in it. A damaged one is renamed to PART.damaged and skipped: also one
  // that does not begin with a line of JSON, that has a longer line there than kLongestLogLine, or that
  // unpacks to more than an eighth of the limit (at least 64 MiB).
  RotatedLog(std::filesystem::path path, std::int64_t limit, std::int64_t first_step);
  void line(std::string_view text);     // adds the newline
  [[nodiscard]] bool at_start() const;  // whether the next line is the first of a file

 private:
  void rotate();
  std::filesystem::path path_;
  std::int64_t limit_, bytes_ = 0;  // of the newest file
  std::optional<LineFile> file_;
};

// The packed parts of a log, the oldest first.
std::vector<std::filesystem::path> packed_parts(const std::filesystem::path& path);

}  // namespace ebb::telemetry
