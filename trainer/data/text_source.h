// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Documents of text. A text file is one document. In a .jsonl file, each line is an object, and its string
// "text" is a document. Error(data), with file and line, for an input that is unreadable, empty or not such
// an object.
namespace ebb::data {

// Receives chunks of text in order, and the end of each document.
struct TextSink {
  std::function<void(std::string_view)> text;
  std::function<void()> end_of_document;
};

// Reads blocks of 1 MiB, or a line of JSON at a time.
void read_texts(const std::vector<std::filesystem::path>& inputs, const TextSink& sink);

// The same text line by line, without the line ends.
class TextLines {
 public:
  explicit TextLines(std::vector<std::filesystem::path> inputs) : inputs_(std::move(inputs)) {}
  bool next(std::string& line);  // false: there are no more

 private:
  std::vector<std::filesystem::path> inputs_;
  std::size_t file_ = 0;
  std::int64_t number_ = 0;
  std::ifstream in_;
  std::deque<std::string> ready_;  // lines of text within one line of JSON
};

}  // namespace ebb::data
