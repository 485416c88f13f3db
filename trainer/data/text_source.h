#pragma once
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Text as it comes: a text file is one document, and so is the string "text" of the object in each line of a
// .jsonl file. Error(data) with file and line for one that cannot be read, is empty or no such object.
namespace ebb::data {

// Called with pieces of text in their order, and with the end of each document.
struct TextSink {
  std::function<void(std::string_view)> text;
  std::function<void()> end_of_document;
};

// In blocks of a MiB, or a line of JSON at a time.
void read_texts(const std::vector<std::filesystem::path>& inputs, const TextSink& sink);

// The same text line by line, for who asks for it. Without the line ends.
class TextLines {
 public:
  explicit TextLines(std::vector<std::filesystem::path> inputs) : inputs_(std::move(inputs)) {}
  bool next(std::string& line);  // false: there are no more

 private:
  std::vector<std::filesystem::path> inputs_;
  std::size_t file_ = 0;
  std::int64_t number_ = 0;
  std::ifstream in_;
  std::deque<std::string> ready_;  // of one line of JSON
};

}  // namespace ebb::data
