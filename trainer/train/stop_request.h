// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>

#include <memory>
#include <string>

namespace ebb::train {

// SIGTERM, SIGINT and SIGUSR1 ask for a stop after the current step; all ranks agree on it in the step's
// message. At most one object in a process. It handles these signals while it exists, and its destructor
// restores the previous handlers. It does not restore them after a request: the sender may repeat the signal
// while the process ends, and the default handler would change the exit code.
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
