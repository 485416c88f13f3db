// SPDX-License-Identifier: Apache-2.0
#include "telemetry/log_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/json.h"

namespace ebb::telemetry {
namespace {

enum class Line { stays, goes, has_no_step };

Line classify(std::string_view line, std::int64_t first_step) {
  const auto json = parse_json_or_discard(line);
  if (!json.is_object() || !json.contains("step") || !is_whole_number(json["step"])) return Line::has_no_step;
  const auto step = json["step"].get<std::int64_t>();
  return step < first_step || (step == first_step && json.contains("eval")) ? Line::stays : Line::goes;
}

// Reads the lines of a file from the last to the first.
class BackwardLines {
 public:
  explicit BackwardLines(const std::filesystem::path& path)
      : file_(path, ExitCode::storage), begin_(file_.size()), end_(begin_) {}

  // The bytes before the lines that have been taken.
  [[nodiscard]] std::int64_t end() const { return end_; }
  // Takes the text after the last newline, which is empty in a file of whole lines.
  std::string take_incomplete() { return take(end_); }
  // Takes the last line, without its newline; empty if it is above kLongestLogLine. end() must be above 0,
  // and after a newline.
  std::string take_line() { return take(end_ - 1); }

 private:
  // Takes all from the start of the line whose last byte is before `last`. Each block is searched once.
  std::string take(std::int64_t last) {
    std::int64_t start = 0;
    bool too_long = false;
    for (std::int64_t searched = last;; searched = begin_, prepend_block()) {
      const std::size_t newline = searched > begin_
                                      ? held_.rfind('\n', static_cast<std::size_t>(searched - begin_ - 1))
                                      : std::string::npos;
      if (newline != std::string::npos) start = begin_ + static_cast<std::int64_t>(newline) + 1;
      too_long = last - std::max(start, begin_) > kLongestLogLine;
      if (newline != std::string::npos || begin_ == 0) break;
      if (too_long) held_.clear();
    }
    const auto before = static_cast<std::size_t>(start - begin_);
    std::string text = too_long ? "" : held_.substr(before, static_cast<std::size_t>(last - start));
    held_.resize(before);
    end_ = start;
    return text;
  }
  void prepend_block() {
    std::string block(static_cast<std::size_t>(std::min(kBlock, begin_)), '\0');
    begin_ -= std::ssize(block);
    file_.read_at(begin_, std::as_writable_bytes(std::span<char>(block)));
    held_ = block + held_;
  }

  static constexpr std::int64_t kBlock = 1 << 16;
  ReadFile file_;
  std::int64_t begin_, end_;  // of held_ in the file
  std::string held_;
};

}  // namespace

void drop_lines_from(const std::filesystem::path& path, std::int64_t first_step) {
  if (!std::filesystem::exists(path)) return;
  BackwardLines lines(path);
  const std::int64_t size = lines.end();
  lines.take_incomplete();
  std::int64_t kept = lines.end();
  while (lines.end() > 0) {
    const Line line = classify(lines.take_line(), first_step);
    if (line == Line::stays) break;
    if (line == Line::goes) kept = lines.end();
  }
  if (kept < size) truncate_file(path, kept);
}

}  // namespace ebb::telemetry
