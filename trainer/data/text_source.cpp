// SPDX-License-Identifier: Apache-2.0
#include "data/text_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "base/error.h"
#include "base/json.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 1 << 20;

bool is_json(fs::path path) {
  const auto extension = [&] {
    std::string text = path.extension().string();
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  if (extension() == ".gz" || extension() == ".zst") path.replace_extension();
  return extension() == ".jsonl" || extension() == ".ndjson" || extension() == ".json";
}

bool is_blank(const std::string& line) {
  return line.find_first_not_of(" \t\r") == std::string::npos;
}

struct BadLine : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string document_of(const std::string& line, const std::string& key) {
  nlohmann::json json;
  try {
    json = parse_json(line);
  } catch (const JsonError& error) {
    // A document over several lines begins with a line of one bracket.
    const std::size_t first = line.find_first_not_of(" \t"), last = line.find_last_not_of(" \t\r");
    if (first == last && (line[first] == '[' || line[first] == '{'))
      throw BadLine(
          fmt::format("this line has only {}: the file is one JSON document. Write JSON lines first (`jq -c "
                      "{}` does)",
                      line[first], line[first] == '[' ? "'.[]'" : "'.' FILE"));
    throw BadLine(fmt::format("this line is not JSON: {}", error.what()));
  }
  if (json.is_array())
    throw BadLine("this line is a JSON array: write each of its objects on a line (`jq -c '.[]'` does)");
  if (!json.is_object()) throw BadLine("this line is not a JSON object");
  const auto found = json.find(key);
  if (found == json.end()) {
    std::string keys;
    for (const auto& [other, value] : json.items())
      if (value.is_string()) keys += (keys.empty() ? "" : ", ") + nlohmann::json(other).dump();
    throw BadLine(fmt::format("this object has no key \"{}\"{}", key,
                              keys.empty() ? "" : "; give --key one of its strings: " + keys));
  }
  if (!found->is_string()) throw BadLine(fmt::format("\"{}\" of this object is not a string", key));
  return found->get<std::string>();
}

// The document of the last line of `lines`. Nothing if it is bad and skipped.
std::optional<std::string> document(const std::string& line, const LineStream& lines, const fs::path& path,
                                    const TextInputs& inputs) {
  try {
    return document_of(line, inputs.key);
  } catch (const BadLine& error) {
    if (inputs.skip_bad_lines) return std::nullopt;
    throw Error(ExitCode::data, fmt::format("{}:{}: {} (--skip-bad-lines skips such lines)", path.string(),
                                            lines.number(), error.what()));
  }
}

std::int64_t read_lines(const fs::path& path, const TextInputs& inputs, const TextSink& sink) {
  LineStream lines(path);
  std::int64_t skipped = 0;
  for (std::string line; lines.next(line);) {
    if (is_blank(line)) continue;
    if (const auto text = document(line, lines, path, inputs)) {
      sink.text(*text);
      sink.end_of_document();
    } else {
      ++skipped;
    }
  }
  return skipped;
}

void read_text(const fs::path& path, const TextSink& sink) {
  TextStream text(path);
  std::vector<char> block(kReadBytes);
  while (const std::size_t n = text.read(block)) sink.text({block.data(), n});
  sink.end_of_document();
}

}  // namespace

std::int64_t read_texts(const TextInputs& inputs, const TextSink& sink) {
  std::int64_t skipped = 0;
  for (const fs::path& path : inputs.files) {
    if (is_json(path))
      skipped += read_lines(path, inputs, sink);
    else
      read_text(path, sink);
  }
  return skipped;
}

bool TextLines::next(std::string& line) {
  for (;;) {
    if (!ready_.empty()) {
      line = std::move(ready_.front());
      ready_.pop_front();
      return true;
    }
    if (!in_) {
      if (file_ == inputs_.files.size()) return false;
      in_.emplace(inputs_.files[file_]);
    }
    const fs::path& path = inputs_.files[file_];
    if (!in_->next(line)) {
      in_.reset();
      ++file_;
      continue;
    }
    if (!is_json(path)) return true;
    if (is_blank(line)) continue;
    const auto found = document(line, *in_, path, inputs_);
    if (!found) {
      ++skipped_;
      continue;
    }
    std::istringstream text(*found);
    for (std::string part; std::getline(text, part);) ready_.push_back(std::move(part));
  }
}

}  // namespace ebb::data
