// SPDX-License-Identifier: Apache-2.0
#include "data/text_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/file.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

bool is_json(const fs::path& path) {
  return path.extension() == ".jsonl";
}

std::ifstream opened(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error(ExitCode::data,
                fmt::format("cannot read {}: check that it exists and is readable", path.string()));
  return in;
}

void check(const std::ifstream& in, const fs::path& path, std::int64_t line) {
  if (in.bad())
    throw Error(ExitCode::storage, fmt::format("reading {} failed at line {}", path.string(), line));
}

// "text" of line `number`.
std::string text_of(const std::string& line, const fs::path& path, std::int64_t number) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  const auto found = json.is_object() ? json.find("text") : json.end();
  if (!json.is_object() || found == json.end() || !found->is_string())
    throw Error(ExitCode::data, fmt::format("{}:{}: this line is not a JSON object with a string \"text\"",
                                            path.string(), number));
  return found->get<std::string>();
}

void read_lines(const fs::path& path, const TextSink& sink) {
  std::ifstream in = opened(path);
  std::int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty()) continue;
    sink.text(text_of(line, path, number));
    sink.end_of_document();
  }
  check(in, path, number + 1);
}

void read_text(const fs::path& path, const TextSink& sink) {
  const ReadFile file(path, ExitCode::data);
  if (file.size() == 0) throw Error(ExitCode::data, fmt::format("{} is empty", path.string()));
  std::vector<char> block(kReadBytes);
  for (std::int64_t at = 0; at < file.size();) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(file.size() - at, kReadBytes));
    file.read_at(at, std::as_writable_bytes(std::span(block).first(n)));
    sink.text({block.data(), n});
    at += static_cast<std::int64_t>(n);
  }
  sink.end_of_document();
}

}  // namespace

void read_texts(const std::vector<fs::path>& inputs, const TextSink& sink) {
  for (const fs::path& path : inputs) is_json(path) ? read_lines(path, sink) : read_text(path, sink);
}

bool TextLines::next(std::string& line) {
  for (;;) {
    if (!ready_.empty()) {
      line = std::move(ready_.front());
      ready_.pop_front();
      return true;
    }
    if (!in_.is_open()) {
      if (file_ == inputs_.size()) return false;
      in_ = opened(inputs_[file_]);
      number_ = 0;
    }
    const fs::path& path = inputs_[file_];
    if (!std::getline(in_, line)) {
      check(in_, path, number_ + 1);
      in_.close();
      ++file_;
      continue;
    }
    ++number_;
    if (!is_json(path)) return true;
    if (line.empty()) continue;
    std::istringstream text(text_of(line, path, number_));
    for (std::string part; std::getline(text, part);) ready_.push_back(std::move(part));
  }
}

}  // namespace ebb::data
