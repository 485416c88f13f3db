#pragma once
#include <signal.h>

namespace ebb::launch {

// For as long as it lives, SIGINT, SIGTERM, SIGUSR1, SIGCHLD and SIGHUP (if not ignored, as nohup does) are
// read from a descriptor instead of ending the process. Made while the process has one thread; a program that
// is started meanwhile has to be given back `before()` as its mask.
class SignalsHeld {
 public:
  SignalsHeld();
  ~SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const sigset_t& before() const { return before_; }
  // The next signal that came, 0 when there is none.
  [[nodiscard]] int next() const;
  // Waits for so long, or until one of them asks to stop: whether one did.
  [[nodiscard]] bool stop_within(double seconds) const;

 private:
  int fd_ = -1;
  sigset_t before_{};
};

}  // namespace ebb::launch
