#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ebb {

// Files with errors that name path, operation, bytes, errno's text and what to do. Whatever fails while
// writing is ExitCode::storage, and so is a device that fails while reading; an input that is not there or
// may not be read is the code that the caller gives. One thread at a time uses an object; ReadFile::read_at
// alone may be shared.

// Writes PATH by way of PATH.tmp.<pid>: append as often as wanted, then commit() fsyncs the file, renames it
// over PATH and fsyncs the folder. Without commit() the destructor removes the temporary file: a reader never
// sees a half. The folder has to be there.
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

// The whole file. A file that is not there or cannot be read is an Error of code `missing`.
std::string read_file(const std::filesystem::path& path, ExitCode missing);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);
void make_folders(const std::filesystem::path& path);  // mkdir -p; Error(storage) names path and reason
void sync_folder(
    const std::filesystem::path& path);  // fsync of a directory, so that a rename in it is durable

// A read-only file that is read at offsets (pread). Movable, closes itself.
class ReadFile {
 public:
  ReadFile(const std::filesystem::path& path, ExitCode missing);
  ReadFile(ReadFile&& other) noexcept;
  ReadFile& operator=(ReadFile&&) = delete;
  ~ReadFile();
  [[nodiscard]] std::int64_t size() const { return size_; }
  // Fills `out` from `offset`; an end of file before that is an Error of code data with path, offset and both
  // sizes.
  void read_at(std::int64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::int64_t size_ = 0;
};

// Lines appended to a log (JSON lines): each line is one write(2), so that lines of a killed process are
// whole.
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
