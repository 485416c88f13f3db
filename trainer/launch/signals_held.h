// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>

namespace ebb::launch {

// While it lives, SIGINT, SIGTERM, SIGUSR1, SIGCHLD and SIGHUP (unless ignored, as under nohup) do not end
// the process: they are read from a descriptor. Construct it while the process has one thread. A program
// started meanwhile needs `before()` as its signal mask.
class SignalsHeld {
 public:
  SignalsHeld();
  ~SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const sigset_t& before() const { return before_; }
  // The next pending signal; 0 where there is none.
  [[nodiscard]] int next() const;
  // Waits for a number of seconds or for a signal that asks to stop. True: there was one.
  [[nodiscard]] bool stop_within(double seconds) const;

 private:
  int fd_ = -1;
  sigset_t before_{};
};

}  // namespace ebb::launch
