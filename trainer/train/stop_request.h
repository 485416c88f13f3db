#pragma once
#include <string>

namespace ebb::train {

// SIGTERM, SIGINT and SIGUSR1 ask for a stop after the current step; all ranks agree on it in the step's
// message. Installed once for the process while the object lives; the handlers before come back after it,
// unless a stop was asked for.
class StopRequest {
 public:
  StopRequest();
  ~StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;
  [[nodiscard]] static bool requested();
  [[nodiscard]] static std::string signal_name();  // "SIGTERM"; empty when none came to this rank

 private:
  struct Handlers;
  Handlers* before_;
};

}  // namespace ebb::train
