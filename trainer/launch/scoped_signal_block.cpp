// SPDX-License-Identifier: Apache-2.0
#include "launch/scoped_signal_block.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/error.h"

namespace ebb::launch {
namespace {

bool is_ignored(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

ScopedSignalBlock::ScopedSignalBlock() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD}) sigaddset(&set, signal);
  if (!is_ignored(SIGHUP)) sigaddset(&set, SIGHUP);
  ::sigprocmask(SIG_BLOCK, &set, &previous_mask_);
  fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd_ < 0)
    throw Error(ExitCode::internal, fmt::format("cannot watch for signals: {}", std::strerror(errno)));
}

ScopedSignalBlock::~ScopedSignalBlock() {
  while (next() != 0) {
  }  // pending signals have been handled
  ::close(fd_);
  ::sigprocmask(SIG_SETMASK, &previous_mask_, nullptr);
}

int ScopedSignalBlock::next() const {
  signalfd_siginfo info{};
  return ::read(fd_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

bool ScopedSignalBlock::stop_within(double seconds) const {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    for (int signal = next(); signal != 0; signal = next())
      if (signal != SIGCHLD && signal != SIGUSR2) return true;
    const double left = std::chrono::duration<double>(end - Clock::now()).count();
    if (left <= 0) return false;
    pollfd waiting{fd_, POLLIN, 0};
    ::poll(&waiting, 1, std::max(1, static_cast<int>(std::min(left, 3600.0) * 1000)));
  }
}

}  // namespace ebb::launch
