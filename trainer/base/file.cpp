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

#include "base/units.h"

namespace ebb {
namespace fs = std::filesystem;
namespace {

// Linux moves at most about 2 GiB in one call.
constexpr std::size_t kLargestTransfer = std::size_t{1} << 30;

std::string advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space there, or choose another folder";
    case EROFS:
    case EACCES:
    case EPERM:
      return "; check who owns it and its permissions, or choose another folder";
    case EMFILE:
    case ENFILE:
      return "; too many files are open: raise the limit (ulimit -n)";
    case EIO:
    case ESTALE:
      return "; the device or the network file system failed: see dmesg, then retry";
    default:
      return "";
  }
}

std::string describe(const std::string& what, int error) {
  return fmt::format("cannot {}: {}{}", what, std::generic_category().message(error), advice(error));
}

[[noreturn]] void fail_writing(const std::string& what, int error) {
  throw Error(ExitCode::storage, describe(what, error));
}

// A missing file has the code of the caller; a failure of the device or the system is a storage error.
[[noreturn]] void fail_reading(const std::string& what, int error, ExitCode missing) {
  const bool storage = error == EIO || error == ESTALE || error == ETIMEDOUT || error == EMFILE ||
                       error == ENFILE || error == ENOMEM;
  throw Error(storage ? ExitCode::storage : missing, describe(what, error));
}

int open_retrying(const fs::path& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Returns 0 or the errno of the first failed write; `done` counts the bytes written before it.
int write_all(int fd, std::span<const std::byte> bytes, std::int64_t& done) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), std::min(bytes.size(), kLargestTransfer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    done += n;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace

AtomicFile::AtomicFile(fs::path path)
    : path_(std::move(path)), temporary_(fmt::format("{}.tmp.{}", path_.string(), ::getpid())) {
  fd_ = open_retrying(temporary_, O_WRONLY | O_CREAT | O_TRUNC);
  if (fd_ < 0) fail_writing(fmt::format("create {}", temporary_.string()), errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::append(std::span<const std::byte> bytes) {
  if (fd_ < 0) {
    throw Error(ExitCode::internal, fmt::format("{} was appended to after its commit", path_.string()));
  }
  const std::int64_t before = bytes_written_;
  if (const int error = write_all(fd_, bytes, bytes_written_)) {
    fail_writing(fmt::format("write {} at {} of {}", format_bytes(static_cast<std::int64_t>(bytes.size())),
                             format_bytes(before), temporary_.string()),
                 error);
  }
}

void AtomicFile::append(std::string_view text) {
  append(std::as_bytes(std::span<const char>(text.data(), text.size())));
}

void AtomicFile::commit() {
  if (fd_ < 0) throw Error(ExitCode::internal, fmt::format("{} was committed twice", path_.string()));
  if (::fsync(fd_) != 0) {
    fail_writing(fmt::format("flush {} of {} to disk", format_bytes(bytes_written_), temporary_.string()),
                 errno);
  }
  const int fd = std::exchange(fd_, -1);
  // Network file systems report some failed writes only here.
  if (::close(fd) != 0 && errno != EINTR) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    fail_writing(fmt::format("close {}", temporary_.string()), error);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    fail_writing(fmt::format("rename {} to {}", temporary_.string(), path_.string()), error);
  }
  sync_folder(folder_of(path_));
}

std::string read_file(const fs::path& path, ExitCode missing) {
  const int fd = open_retrying(path, O_RDONLY);
  if (fd < 0) fail_reading(fmt::format("open {}", path.string()), errno, missing);
  std::string text;
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
    text.append(block, 0, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return text;
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.append(text);
  file.commit();
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
  fd_ = open_retrying(path_, O_RDONLY);
  if (fd_ < 0) fail_reading(fmt::format("open {}", path_.string()), errno, missing);
  struct stat status{};
  int error = ::fstat(fd_, &status) == 0 ? 0 : errno;
  if (error == 0 && S_ISDIR(status.st_mode)) error = EISDIR;
  if (error != 0) {
    ::close(fd_);
    fail_reading(fmt::format("read {}", path_.string()), error, missing);
  }
  size_ = status.st_size;
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
  }
}

LineFile::LineFile(const fs::path& path) : path_(path) {
  make_folders(folder_of(path_));
  fd_ = open_retrying(path_, O_WRONLY | O_CREAT | O_APPEND);
  if (fd_ < 0) fail_writing(fmt::format("open {} for appending", path_.string()), errno);
}

LineFile::~LineFile() {
  if (fd_ >= 0) ::close(fd_);
}

void LineFile::line(std::string_view text) {
  std::string whole(text);
  whole += '\n';
  std::int64_t done = 0;
  if (const int error = write_all(fd_, std::as_bytes(std::span<const char>(whole)), done)) {
    fail_writing(fmt::format("append a line of {} bytes to {}", whole.size(), path_.string()), error);
  }
}

}  // namespace ebb
