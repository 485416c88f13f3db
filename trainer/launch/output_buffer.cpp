// SPDX-License-Identifier: Apache-2.0
#include "launch/output_buffer.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>

namespace ebb::launch {
namespace {

bool is_writable(int fd, int milliseconds) {
  pollfd descriptor{fd, POLLOUT, 0};
  return ::poll(&descriptor, 1, milliseconds) > 0;
}

}  // namespace

void OutputBuffer::put(std::string_view text) {
  if (lost_) return;
  waiting_ += text;
  write();
  if (waiting_.size() <= kMost) return;
  const std::size_t end = waiting_.find('\n', waiting_.size() - kMost);
  const std::size_t cut = end == std::string::npos ? waiting_.size() : end + 1;
  waiting_.erase(0, cut);
  dropped_ += cut;
}

void OutputBuffer::write() {
  const std::size_t told = waiting_.empty() ? 0 : dropped_;
  if (told > 0 && is_writable(fd_, 0)) {
    waiting_.insert(0,
                    fmt::format("{}[{} bytes of output are missing here]\n", within_line_ ? "\n" : "", told));
    dropped_ = 0;
  }
  std::size_t done = 0;
  while (!lost_ && done < waiting_.size() && is_writable(fd_, 0)) {
    // A writable pipe takes this many bytes without blocking.
    const std::size_t part = std::min<std::size_t>(waiting_.size() - done, PIPE_BUF);
    const ssize_t n = ::write(fd_, waiting_.data() + done, part);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
      within_line_ = waiting_[done - 1] != '\n';
    }
    if (n >= 0 || errno == EINTR || errno == EAGAIN) continue;
    lost_ = errno == EPIPE || errno == EBADF;
    // A disk that is full now may have room later.
    dropped_ = told + waiting_.size() - done;
    done = waiting_.size();
  }
  waiting_.erase(0, done);
}

void OutputBuffer::drain(int milliseconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  while (is_waiting()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !is_writable(fd_, static_cast<int>(left.count()))) return;
    write();
  }
}

}  // namespace ebb::launch
