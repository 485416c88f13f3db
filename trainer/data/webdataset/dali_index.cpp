// SPDX-License-Identifier: Apache-2.0
#include "data/webdataset/dali_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/printable.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kVersion = "v1.2";

// Takes the next word of the line, up to a space.
std::string_view take_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

std::optional<std::int64_t> number_of(std::string_view word) {
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (fault != std::errc{} || end != word.data() + word.size() || value < 0) return std::nullopt;
  return value;
}

class IndexLines {
 public:
  explicit IndexLines(const fs::path& path)
      : path_(path), text_(read_file(path, ExitCode::data)), left_(text_) {}
  // Without its end; empty optional at the end of the file.
  std::optional<std::string_view> next() {
    if (left_.empty()) return std::nullopt;
    ++line_;
    std::string_view line = left_.substr(0, left_.find('\n'));
    left_.remove_prefix(std::min(left_.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  [[noreturn]] void refuse(std::string_view fault) const {
    throw Error(ExitCode::data, fmt::format("{}: line {} {}; make the index again by wds2idx, or remove it",
                                            path_.string(), line_, fault));
  }

 private:
  fs::path path_;
  std::string text_;
  std::string_view left_;
  std::int64_t line_ = 0;
};

// One member: "SUFFIX OFFSET SIZE NAME".
TarMember take_member(std::string_view& line, const IndexLines& lines) {
  const std::string_view suffix = take_word(line);
  const auto offset = number_of(take_word(line)), size = number_of(take_word(line));
  const std::string_view name = take_word(line);
  if (!offset || !size || name.empty())
    lines.refuse("is not SUFFIX OFFSET SIZE NAME for each part of a sample");
  const std::size_t dot = name.find('.', name.rfind('/') + 1);
  if (dot == std::string_view::npos || name.substr(dot + 1) != suffix)
    lines.refuse(fmt::format("gives the suffix '{}' to {} (names with spaces are not possible)",
                             printable(suffix), printable(name)));
  return {std::string(name), *offset, *size, '0'};
}

}  // namespace

fs::path dali_index_path(const fs::path& shard) {
  fs::path index = shard;
  return index.replace_extension(".idx");
}

void for_each_indexed_member(const fs::path& shard, const ReadFile& file,
                             const std::function<void(const TarMember&)>& use) {
  IndexLines lines(dali_index_path(shard));
  std::string_view head = lines.next().value_or("");
  const std::string_view version = take_word(head);
  const auto samples = number_of(take_word(head));
  if (version != kVersion || !samples || !head.empty())
    lines.refuse(fmt::format("is not '{} SAMPLES', as of an index of DALI", kVersion));
  std::int64_t end = 0, count = 0;
  while (auto line = lines.next()) {
    for (++count; !line->empty();) {
      const TarMember member = take_member(*line, lines);
      if (member.offset % kTarBlock != 0 || member.offset < end + kTarBlock)
        lines.refuse(
            fmt::format("has the offset {}; offsets are ascending multiples of {}, and a header "
                        "precedes each",
                        member.offset, kTarBlock));
      if (member.offset > file.size() || member.size > file.size() - member.offset)
        lines.refuse(fmt::format("has {} bytes at byte {}, but {} has {} bytes", member.size, member.offset,
                                 shard.string(), file.size()));
      end = member.offset + (member.size + kTarBlock - 1) / kTarBlock * kTarBlock;
      use(member);
    }
  }
  if (count != *samples)
    lines.refuse(fmt::format("is the last, of {} samples, but the first line has {}", count, *samples));
  TarReader rest(shard, end);
  while (const auto member = rest.next())
    if (member->type == '0')
      lines.refuse(fmt::format("is the last, but {} goes on with {} at byte {}", shard.string(),
                               printable(member->name), member->offset));
}

}  // namespace ebb::data
