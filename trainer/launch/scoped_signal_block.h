// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>

namespace ebb::launch {

// While it lives, SIGINT, SIGTERM, SIGUSR1, SIGCHLD and SIGHUP (unless ignored, as under nohup) do not end
// the process: they are read from a descriptor. Construct it while the process has one thread. A program
// started meanwhile needs `previous_mask()` as its signal mask.
class ScopedSignalBlock {
 public:
  ScopedSignalBlock();
  ~ScopedSignalBlock();
  ScopedSignalBlock(const ScopedSignalBlock&) = delete;
  ScopedSignalBlock& operator=(const ScopedSignalBlock&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const sigset_t& previous_mask() const { return previous_mask_; }
  // The next pending signal; 0 where there is none.
  [[nodiscard]] int next() const;
  // Waits for a number of seconds or for a signal that asks to stop. True: there was one.
  [[nodiscard]] bool stop_within(double seconds) const;

 private:
  int fd_ = -1;
  sigset_t previous_mask_{};
};

}  // namespace ebb::launch
