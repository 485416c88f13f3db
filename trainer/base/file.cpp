// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
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
constexpr std::size_t kMostText = std::size_t{1} << 30;  // of read_file()

std::string advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space there, or choose another folder";
    case EFBIG:
      return "; raise the limit of file sizes (ulimit -f)";
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

constexpr std::string_view kTemporary = ".tmp.";
constexpr std::size_t kRandomDigits = 16;

std::uint64_t random_number() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    throw Error(ExitCode::storage, describe("draw a random name for a temporary file", errno));
  return number;
}

bool is_temporary(std::string_view name) {
  const std::size_t digits = name.size() - std::min(name.size(), kRandomDigits);
  return name.substr(0, digits).ends_with(kTemporary) &&
         name.find_first_not_of("0123456789abcdef", digits) == std::string_view::npos;
}

}  // namespace

AtomicFile::AtomicFile(fs::path path)
    : path_(std::move(path)),
      temporary_(fmt::format("{}{}{:0{}x}", path_.string(), kTemporary, random_number(), kRandomDigits)) {
  fd_ = open_retrying(temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
  if (fd_ < 0) fail_writing(fmt::format("create {}", path_.string()), errno);
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
                             format_bytes(before), path_.string()),
                 error);
  }
}

void AtomicFile::append(std::string_view text) {
  append(std::as_bytes(std::span<const char>(text.data(), text.size())));
}

void AtomicFile::commit() {
  if (fd_ < 0) throw Error(ExitCode::internal, fmt::format("{} was committed twice", path_.string()));
  if (::fsync(fd_) != 0) {
    fail_writing(fmt::format("flush {} of {} to disk", format_bytes(bytes_written_), path_.string()), errno);
  }
  const int fd = std::exchange(fd_, -1);
  // Network file systems report some failed writes only here.
  if (::close(fd) != 0 && errno != EINTR) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    fail_writing(fmt::format("close {}", path_.string()), error);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    fail_writing(fmt::format("replace {}", path_.string()), error);
  }
  sync_folder(folder_of(path_));
}

void remove_temporary_files(const fs::path& folder, std::chrono::seconds age) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!is_temporary(it->path().filename().string()) || !it->is_regular_file(ignored)) continue;
    const auto changed = it->last_write_time(ignored);
    if (!ignored && fs::file_time_type::clock::now() - changed >= age) fs::remove(it->path(), ignored);
  }
}

std::string read_file(const fs::path& path, ExitCode missing) {
  const int fd = open_regular(path, missing).fd;
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
    if (text.size() > kMostText) {
      ::close(fd);
      throw Error(missing,
                  fmt::format("cannot read {}: it has more than {}, the most for a file that is read "
                              "as a whole",
                              path.string(), format_bytes(std::int64_t{kMostText})));
    }
  }
  ::close(fd);
  return text;
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.append(text);
  file.commit();
}

void truncate_file(const fs::path& path, std::int64_t bytes) {
  const int fd = open_retrying(path, O_WRONLY);
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
