// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>

#include <memory>
#include <string>

namespace ebb::train {

// SIGTERM, SIGINT, SIGUSR1 and SIGHUP (unless ignored, as under nohup) request a stop after the current step;
// all ranks agree on it in the step's message. At most one object in a process. It handles these signals
// while it exists, and its destructor restores the previous handlers, but ignores SIGUSR1 where the default
// was in force. After a request it does not restore them. mpirun may send or repeat the signal while the
// process ends, and the default handler would change the exit code.
class StopRequest {
 public:
  StopRequest();
  ~StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;
  [[nodiscard]] bool requested() const { return signal_ != 0; }
  [[nodiscard]] std::string signal_name() const;  // "SIGTERM"; empty if this rank received none

 private:
  struct Handlers;
  volatile sig_atomic_t signal_ = 0;  // the last one; written by the signal handler
  std::unique_ptr<Handlers> before_;
};

}  // namespace ebb::train
