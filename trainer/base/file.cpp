// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/file_calls.h"
#include "base/lfs_pointer.h"
#include "base/units.h"
#include "base/work_count.h"

namespace ebb {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostText = std::size_t{1} << 30;  // of read_file()

struct OpenFile {
  int fd;
  std::int64_t size;
};

// Does not wait for the writer of a pipe.
OpenFile open_regular(const fs::path& path, ExitCode missing) {
  const int fd = open_retrying(path, O_RDONLY | O_NONBLOCK);
  if (fd < 0) fail_reading(fmt::format("open {}", path.string()), errno, missing);
  struct stat status{};
  int error = ::fstat(fd, &status) == 0 ? 0 : errno;
  if (error == 0 && S_ISDIR(status.st_mode)) error = EISDIR;
  if (error == 0 && S_ISREG(status.st_mode)) return {fd, status.st_size};
  ::close(fd);
  if (error != 0) fail_reading(fmt::format("read {}", path.string()), error, missing);
  throw Error(missing, fmt::format("cannot read {}: it is a pipe, a socket or a device; give a regular file",
                                   path.string()));
}

}  // namespace

std::string read_file(const fs::path& path, ExitCode missing) {
  const auto [fd, size] = open_regular(path, missing);
  std::string text;
  // The size of a file in /proc is 0, and a file may grow, so the loop checks the size too.
  const auto check = [&path, missing, file = fd](std::size_t bytes) {
    if (bytes <= kMostText) return;
    ::close(file);
    throw Error(missing, fmt::format("cannot read {}: it has more than {}, the most for a file that is read "
                                     "as a whole",
                                     path.string(), format_bytes(std::int64_t{kMostText})));
  };
  check(static_cast<std::size_t>(size));
  std::string block(std::size_t{1} << 16, '\0');
  for (;;) {
    const ssize_t n = ::read(fd, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      ::close(fd);
      fail_reading(fmt::format("read {}", path.string()), error, missing);
    }
    if (n == 0) break;
    count_work();
    text.append(block, 0, static_cast<std::size_t>(n));
    check(text.size());
  }
  ::close(fd);
  refuse_lfs_pointer(path, text, missing);
  return text;
}

std::string read_head(const fs::path& path, std::size_t most, ExitCode missing) {
  const ReadFile file(path, missing);
  std::string head(std::min(most, static_cast<std::size_t>(file.size())), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(head)));
  return head;
}

void for_each_entry(const fs::path& folder, const std::function<void(const fs::directory_entry&)>& use) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  while (!error && entry != fs::directory_iterator()) {
    use(*entry);
    entry.increment(error);
  }
  if (error) throw Error(ExitCode::data, fmt::format("cannot list {}: {}", folder.string(), error.message()));
}

void truncate_file(const fs::path& path, std::int64_t bytes) {
  const int fd = open_retrying(path, O_WRONLY | O_NONBLOCK);
  if (fd < 0) fail_writing(fmt::format("open {}", path.string()), errno);
  const int error = ::ftruncate(fd, bytes) == 0 && ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (error != 0) fail_writing(fmt::format("cut {} to {} bytes", path.string(), bytes), error);
}

void make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && !fs::is_directory(path, error) && !error)
    error = std::error_code(ENOTDIR, std::generic_category());
  if (error) fail_writing(fmt::format("create the folder {}", path.string()), error.value());
}

void sync_folder(const fs::path& path) {
  const int fd = open_retrying(path, O_RDONLY | O_DIRECTORY);
  if (fd < 0) fail_writing(fmt::format("open the folder {}", path.string()), errno);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  // Some network and overlay file systems cannot sync a folder, but they order renames.
  if (error != 0 && error != EINVAL && error != ENOTSUP) {
    fail_writing(fmt::format("flush the folder {} to disk", path.string()), error);
  }
}

ReadFile::ReadFile(const fs::path& path, ExitCode missing) : path_(path) {
  const OpenFile file = open_regular(path_, missing);
  fd_ = file.fd;
  size_ = file.size;
}

ReadFile::ReadFile(ReadFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

ReadFile::~ReadFile() {
  if (fd_ >= 0) ::close(fd_);
}

void ReadFile::read_at(std::int64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd_, out.data() + done, std::min(out.size() - done, kLargestTransfer),
                              offset + static_cast<std::int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      fail_reading(fmt::format("read {} bytes at {} of {}", out.size(), offset, path_.string()), errno,
                   ExitCode::data);
    }
    if (n == 0) {
      throw Error(ExitCode::data,
                  fmt::format("{} ends too early: {} bytes were expected at byte {}, the file "
                              "had {} bytes when opened; it is truncated or damaged",
                              path_.string(), out.size(), offset, size_));
    }
    done += static_cast<std::size_t>(n);
    count_work();
  }
}

}  // namespace ebb
