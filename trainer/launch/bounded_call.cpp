// SPDX-License-Identifier: Apache-2.0
#include "launch/bounded_call.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <exception>

#include "base/child_process.h"

namespace ebb::launch {

std::optional<std::int64_t> call_within(std::chrono::milliseconds limit,
                                        const std::function<std::int64_t()>& function) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  const pid_t child = fork_group_leader(SIGKILL);
  if (child == 0) {
    // The readers of this process's output must not wait for a child that hangs.
    const int nothing = ::open("/dev/null", O_RDWR);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      if (nothing >= 0) ::dup2(nothing, fd);
    try {
      const std::int64_t result = function();
      ::_exit(::write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
    } catch (const std::exception&) {
      ::_exit(1);
    }
  }
  ::close(ends[1]);
  std::optional<std::int64_t> result;
  std::int64_t value = 0;
  pollfd answer{ends[0], POLLIN, 0};
  const bool ended = child > 0 && ::poll(&answer, 1, static_cast<int>(limit.count())) > 0;
  if (ended && ::read(ends[0], &value, sizeof value) == sizeof value) result = value;
  ::close(ends[0]);
  if (child > 0 && !ended) ::kill(child, SIGKILL);
  if (child > 0) ::waitpid(child, nullptr, ended ? 0 : WNOHANG);
  return result;
}

}  // namespace ebb::launch
