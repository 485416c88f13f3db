// SPDX-License-Identifier: Apache-2.0
#include "launch/output_buffer.h"

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
  if (waiting_.size() > kMost) waiting_.erase(0, waiting_.size() - kMost);
}

void OutputBuffer::write() {
  std::size_t done = 0;
  while (!lost_ && done < waiting_.size() && is_writable(fd_, 0)) {
    // A writable pipe takes this many bytes without blocking.
    const ssize_t n =
        ::write(fd_, waiting_.data() + done, std::min<std::size_t>(waiting_.size() - done, PIPE_BUF));
    if (n > 0) done += static_cast<std::size_t>(n);
    if (n < 0 && errno != EINTR && errno != EAGAIN) lost_ = true;
  }
  waiting_.erase(0, lost_ ? std::string::npos : done);
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
