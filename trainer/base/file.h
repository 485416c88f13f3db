// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "base/error.h"

namespace ebb {

// Errors of files name path, operation, bytes, the text of errno, and a remedy. A failed write is
// ExitCode::storage, and so is a device that fails during a read. The caller chooses the code of a missing or
// unreadable input. Only one thread at a time may use an object, except for ReadFile::read_at.

// Returns the whole file. A missing or unreadable file is an Error with the code `missing`, and so is a pipe,
// a device, or a file above 1 GiB.
std::string read_file(const std::filesystem::path& path, ExitCode missing);
// The first bytes of a regular file, at most `most`. Errors as read_file().
std::string read_head(const std::filesystem::path& path, std::size_t most, ExitCode missing);
// Calls `use` for each entry of the folder, in the order of the file system. Error(data) if it cannot be
// listed.
void for_each_entry(const std::filesystem::path& folder,
                    const std::function<void(const std::filesystem::directory_entry&)>& use);
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

}  // namespace ebb
