// SPDX-License-Identifier: Apache-2.0
#include "base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/file_calls.h"
#include "base/units.h"

namespace ebb {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTemporary = ".tmp.";
constexpr std::size_t kRandomDigits = 16;

std::uint64_t random_number() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    throw Error(ExitCode::storage, describe_failure("draw a random name for a temporary file", errno));
  return number;
}

bool is_temporary(std::string_view name) {
  const std::size_t digits = name.size() - std::min(name.size(), kRandomDigits);
  return name.substr(0, digits).ends_with(kTemporary) &&
         name.find_first_not_of("0123456789abcdef", digits) == std::string_view::npos;
}

// rename() would replace a device of the system, such as /dev/null, by a file.
void require_replaceable(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode) || S_ISLNK(status.st_mode)) return;
  if (S_ISDIR(status.st_mode)) fail_writing(fmt::format("write {}", path.string()), EISDIR);
  throw Error(ExitCode::storage, fmt::format("cannot write {}: it is a pipe, a socket or a device; give the "
                                             "name of a file",
                                             path.string()));
}

}  // namespace

AtomicFile::AtomicFile(fs::path path)
    : path_(std::move(path)),
      temporary_(fmt::format("{}{}{:0{}x}", path_.string(), kTemporary, random_number(), kRandomDigits)) {
  require_replaceable(path_);
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

void write_file_atomically(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.append(text);
  file.commit();
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

}  // namespace ebb
