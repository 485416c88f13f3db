// SPDX-License-Identifier: Apache-2.0
#include "telemetry/rotated_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "telemetry/log_file.h"
#include "telemetry/packed_file.h"

namespace ebb::telemetry {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kParts = 8;
constexpr std::string_view kPackedSuffix = ".jsonl.zst";
constexpr std::size_t kDigits = 6;

std::int64_t size_of(const fs::path& path) {
  std::error_code none;
  const std::uintmax_t size = fs::file_size(path, none);
  return none ? 0 : static_cast<std::int64_t>(size);
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error)
    throw Error(ExitCode::storage, fmt::format("cannot remove {}: {}", path.string(), error.message()));
}

void set_aside(const fs::path& damaged) {
  std::error_code error;
  fs::rename(damaged, damaged.string() + ".damaged", error);
  if (error)
    throw Error(ExitCode::storage, fmt::format("cannot rename {}: {}", damaged.string(), error.message()));
}

// The number in NAME.NNNNNN.jsonl.zst; -1 if the file is none of the parts of NAME.jsonl.
std::int64_t number_of(const fs::path& part, const std::string& name) {
  const std::string file = part.filename().string();
  if (file.size() != name.size() + 1 + kDigits + kPackedSuffix.size() || !file.starts_with(name + ".") ||
      !file.ends_with(kPackedSuffix))
    return -1;
  const std::string digits = file.substr(name.size() + 1, kDigits);
  return digits.find_first_not_of("0123456789") == std::string::npos ? std::stoll(digits) : -1;
}

std::string first_line(const fs::path& path) {
  const ReadFile file(path, ExitCode::storage);
  std::string text(static_cast<std::size_t>(std::min(file.size(), kLongestLogLine)), '\0');
  file.read_at(0, std::as_writable_bytes(std::span<char>(text)));
  return text.substr(0, text.find('\n'));
}

std::string first_line_or_none(const fs::path& packed) {
  try {
    return first_line_of_packed(packed);
  } catch (const DamagedPart&) {
    return "";
  }
}

// A line without a step counts as one of step 0.
bool begins_before(const fs::path& part, std::int64_t first_step) {
  const auto json = parse_json_or_discard(first_line_of_packed(part));
  const auto step = json.is_object() ? json.find("step") : json.end();
  if (!json.is_object() || (step != json.end() && !is_whole_number(*step)))
    throw DamagedPart(fmt::format("{} does not begin with a line of a log", part.string()));
  return (step == json.end() ? 0 : step->get<std::int64_t>()) < first_step;
}

// Leaves the lines of the steps before `first_step`, the newest of them in `path`. Before it is packed, a
// part has an eighth of the limit that its run had, and the rest of a line.
void drop_steps_from(const fs::path& path, std::int64_t first_step, std::int64_t limit) {
  constexpr std::int64_t kLargestPart = std::int64_t{64} << 20;  // of a run with a higher limit
  const std::int64_t most_bytes = std::max(limit / kParts, kLargestPart) + kLongestLogLine;
  std::vector<fs::path> parts = packed_parts(path);
  // A process that ended between the packing of a file and its removal has left the lines twice.
  if (!parts.empty() && size_of(path) > 0) {
    const std::string first = first_line(path);
    if (!first.empty() && first == first_line_or_none(parts.back())) {
      remove_file(parts.back());
      parts.pop_back();
    }
  }
  drop_lines_from(path, first_step);
  for (; size_of(path) == 0 && !parts.empty(); parts.pop_back()) {
    try {
      if (begins_before(parts.back(), first_step)) {
        unpack_file(parts.back(), path, most_bytes);
        drop_lines_from(path, first_step);
      }
      remove_file(parts.back());
    } catch (const DamagedPart&) {
      set_aside(parts.back());
    }
  }
}

}  // namespace

std::vector<fs::path> packed_parts(const fs::path& path) {
  const std::string name = path.stem().string();
  std::vector<fs::path> parts;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(path.parent_path(), none))
    if (number_of(entry.path(), name) >= 0) parts.push_back(entry.path());
  std::ranges::sort(parts);
  return parts;
}

RotatedLog::RotatedLog(fs::path path, std::int64_t limit, std::int64_t first_step)
    : path_(std::move(path)), limit_(limit) {
  drop_steps_from(path_, first_step, limit);
  bytes_ = size_of(path_);
  file_.emplace(path_);
}

// The file is packed before the next line, so that the newest file has the newest line.
bool RotatedLog::at_start() const {
  return bytes_ == 0 || bytes_ >= limit_ / kParts;
}

void RotatedLog::line(std::string_view text) {
  if (bytes_ >= limit_ / kParts) rotate();
  file_->line(text);
  bytes_ += static_cast<std::int64_t>(text.size()) + 1;
}

void RotatedLog::rotate() {
  std::vector<fs::path> parts = packed_parts(path_);
  const std::string name = path_.stem().string();
  const std::int64_t number = parts.empty() ? 0 : number_of(parts.back(), name) + 1;
  const fs::path packed =
      path_.parent_path() / fmt::format("{}.{:0{}}{}", name, number, kDigits, kPackedSuffix);
  pack_file(path_, packed);
  file_.reset();
  remove_file(path_);
  file_.emplace(path_);
  bytes_ = 0;
  parts.push_back(packed);
  std::int64_t total = limit_ / kParts;  // of the file that begins
  for (const fs::path& part : parts) total += size_of(part);
  for (auto oldest = parts.begin(); total > limit_ && oldest + 1 != parts.end(); ++oldest) {
    total -= size_of(*oldest);
    remove_file(*oldest);
  }
}

}  // namespace ebb::telemetry
