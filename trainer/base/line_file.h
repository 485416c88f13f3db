// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string_view>

namespace ebb {

// Appends lines to a log (JSON lines). Each line is one write(2), so a killed process writes only whole
// lines. Error(storage) if the file is no longer at its path: somebody has removed or renamed its folder.
class LineFile {
 public:
  explicit LineFile(const std::filesystem::path& path);  // opens for appending, creating folders
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  void line(std::string_view text);  // adds the newline

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace ebb
