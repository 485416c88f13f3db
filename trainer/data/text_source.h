// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/text_stream.h"

// Documents of text. A text file is one document. In JSON lines (.jsonl, .ndjson or .json, in any case), each
// line is an object, and its string `key` is a document. Blank lines are skipped. Both may be packed as .gz
// or .zst, or have UTF-16 (text_stream.h). Error(data), with file and line, for an input that is unreadable,
// empty or not text, and for a line that is not such an object.
namespace ebb::data {

struct TextInputs {
  std::vector<std::filesystem::path> files;
  std::string key = "text";     // of JSON lines
  bool skip_bad_lines = false;  // of JSON lines; an error otherwise
};

// Receives chunks of text in order, and the end of each document.
struct TextSink {
  std::function<void(std::string_view)> text;
  std::function<void()> end_of_document;
};

// Reads blocks of 1 MiB, or a line of JSON at a time. Returns the number of bad lines that it skipped.
std::int64_t read_texts(const TextInputs& inputs, const TextSink& sink);

// The same text line by line, without the line ends.
class TextLines {
 public:
  explicit TextLines(TextInputs inputs) : inputs_(std::move(inputs)) {}
  bool next(std::string& line);                                    // false: there are no more
  [[nodiscard]] std::int64_t skipped() const { return skipped_; }  // bad lines up to here

 private:
  TextInputs inputs_;
  std::size_t file_ = 0;
  std::int64_t skipped_ = 0;
  std::optional<LineStream> in_;
  std::deque<std::string> ready_;  // lines of text within one line of JSON
};

}  // namespace ebb::data
