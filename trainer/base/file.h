// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ebb {

// Errors of these files name path, operation, bytes, the text of errno, and a remedy. A failed write is
// ExitCode::storage, and so is a device that fails during a read. The caller chooses the code of a missing or
// unreadable input. Only one thread at a time may use an object, except for ReadFile::read_at.

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

// Removes the temporary files of AtomicFile that a killed process left in `folder`. Those that changed within
// `age` may still be in use, and stay. Files that cannot be removed stay too.
void remove_temporary_files(const std::filesystem::path& folder, std::chrono::seconds age);

// Returns the whole file. A missing or unreadable file is an Error with the code `missing`, and so is a pipe,
// a device, or a file above 1 GiB.
std::string read_file(const std::filesystem::path& path, ExitCode missing);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);
// Cuts a file to its first `bytes` bytes, durably. Error(storage).
void truncate_file(const std::filesystem::path& path, std::int64_t bytes);
void make_folders(const std::filesystem::path& path);  // mkdir -p; Error(storage) names path and reason
void sync_folder(
    const std::filesystem::path& path);  // fsync of a directory, so that a rename in it is durable

// A file that is read at offsets (pread). Movable; the destructor closes it.
class ReadFile {
 public:
  // As read_file(), for a file of any size.
  ReadFile(const std::filesystem::path& path, ExitCode missing);
  ReadFile(ReadFile&& other) noexcept;
  ReadFile& operator=(ReadFile&&) = delete;
  ~ReadFile();
  [[nodiscard]] std::int64_t size() const { return size_; }
  // Fills `out` from `offset`. A file that ends too early is an Error(data) with path, offset and both sizes.
  void read_at(std::int64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::int64_t size_ = 0;
};

// Appends lines to a log (JSON lines). Each line is one write(2), so a killed process writes only whole
// lines.
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
