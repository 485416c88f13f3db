// SPDX-License-Identifier: Apache-2.0
#include "base/file_calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/work_count.h"

namespace ebb {
namespace {

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

}  // namespace

std::string describe_failure(const std::string& what, int error) {
  return fmt::format("cannot {}: {}{}", what, std::generic_category().message(error), advice(error));
}

void fail_writing(const std::string& what, int error) {
  throw Error(ExitCode::storage, describe_failure(what, error));
}

void fail_reading(const std::string& what, int error, ExitCode missing) {
  const bool storage = error == EIO || error == ESTALE || error == ETIMEDOUT || error == EMFILE ||
                       error == ENFILE || error == ENOMEM;
  throw Error(storage ? ExitCode::storage : missing, describe_failure(what, error));
}

int open_retrying(const std::filesystem::path& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

int write_all(int fd, std::span<const std::byte> bytes, std::int64_t& done) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), std::min(bytes.size(), kLargestTransfer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    done += n;
    count_work();
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace ebb
