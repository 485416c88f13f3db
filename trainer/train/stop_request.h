// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>

#include <memory>
#include <string>

namespace ebb::train {

// SIGTERM, SIGINT and SIGUSR1 ask for a stop after the current step; all ranks agree on it in the step's
// message. One object at a time in a process. While it lives it handles these signals. The handlers before it
// come back after it, unless a stop was asked for: who has asked may ask again while the process ends, which
// must not end it with another code.
class StopRequest {
 public:
  StopRequest();
  ~StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;
  [[nodiscard]] bool requested() const { return signal_ != 0; }
  [[nodiscard]] std::string signal_name() const;  // "SIGTERM"; empty when none came to this rank

 private:
  struct Handlers;
  volatile sig_atomic_t signal_ = 0;  // the last one that came; written by the signal handler
  std::unique_ptr<Handlers> before_;
};

}  // namespace ebb::train
