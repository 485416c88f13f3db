// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace ebb {

// Writes PATH through a new file, PATH.tmp. with 16 random hexadecimal digits, which nobody can plant as a
// link. commit() fsyncs that file, renames it to PATH and fsyncs the folder. Without commit() the destructor
// removes the temporary file, so a reader never sees a partial file. The folder must exist. Errors name PATH.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void append(std::span<const std::byte> bytes);
  void append(std::string_view text);
  [[nodiscard]] std::int64_t bytes_written() const { return bytes_written_; }
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
  std::int64_t bytes_written_ = 0;
};

void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// Removes the temporary files of AtomicFile that a killed process left in `folder`. Those that changed within
// `age` may still be in use, and stay. Files that cannot be removed stay too.
void remove_temporary_files(const std::filesystem::path& folder, std::chrono::seconds age);

}  // namespace ebb
