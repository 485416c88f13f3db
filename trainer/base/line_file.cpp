// SPDX-License-Identifier: Apache-2.0
#include "base/line_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "base/file.h"
#include "base/file_calls.h"

namespace ebb {

LineFile::LineFile(const std::filesystem::path& path) : path_(path) {
  make_folders(folder_of(path_));
  // Does not wait for the reader of a pipe.
  fd_ = open_retrying(path_, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK);
  int error = fd_ < 0 ? errno : 0;
  struct stat status{};
  if (error == 0 && ::fstat(fd_, &status) == 0 && S_ISFIFO(status.st_mode)) error = ENXIO;
  if (error == 0) return;
  if (fd_ >= 0) ::close(fd_);
  if (error == ENXIO)
    throw Error(ExitCode::storage,
                fmt::format("cannot append to {}: it is a pipe or a socket; remove it", path_.string()));
  fail_writing(fmt::format("open {} for appending", path_.string()), error);
}

LineFile::~LineFile() {
  if (fd_ >= 0) ::close(fd_);
}

void LineFile::line(std::string_view text) {
  // Other errors of stat() are passing ones of network file systems; the write fails if they last.
  struct stat ours{}, at_path{};
  const bool gone =
      ::stat(path_.c_str(), &at_path) != 0
          ? errno == ENOENT || errno == ENOTDIR
          : ::fstat(fd_, &ours) == 0 && (at_path.st_ino != ours.st_ino || at_path.st_dev != ours.st_dev);
  if (gone)
    throw Error(
        ExitCode::storage,
        fmt::format("{} is no longer there: it was removed, renamed or replaced while it was written. "
                    "Put its folder back, or start again",
                    path_.string()));
  std::string whole(text);
  whole += '\n';
  std::int64_t done = 0;
  if (const int error = write_all(fd_, std::as_bytes(std::span<const char>(whole)), done)) {
    fail_writing(fmt::format("append a line of {} bytes to {}", whole.size(), path_.string()), error);
  }
}

}  // namespace ebb
