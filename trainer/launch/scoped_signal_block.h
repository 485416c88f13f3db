// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>

namespace ebb::launch {

// Blocks SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD and SIGHUP (unless ignored, as under nohup) during its
// lifetime. They do not end the process; a descriptor delivers them. Construct it while the process has one
// thread. A child program needs `previous_mask()` as its signal mask.
class ScopedSignalBlock {
 public:
  ScopedSignalBlock();
  ~ScopedSignalBlock();
  ScopedSignalBlock(const ScopedSignalBlock&) = delete;
  ScopedSignalBlock& operator=(const ScopedSignalBlock&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const sigset_t& previous_mask() const { return previous_mask_; }
  // Returns the next pending signal; 0 if there is none.
  [[nodiscard]] int next() const;
  // Waits for `seconds` or for a signal that requests a stop, which SIGUSR2 does not. Returns true if there
  // was one.
  [[nodiscard]] bool stop_within(double seconds) const;

 private:
  int fd_ = -1;
  sigset_t previous_mask_{};
};

}  // namespace ebb::launch
