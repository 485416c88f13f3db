#pragma once
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace ebb {

// What the process ends with, and so what a script or an operator reads. One error, one code, the same on all
// ranks.
enum class ExitCode : int {
  ok = 0,
  internal = 1,       // a fault of ebb itself
  usage = 2,          // command line or configuration
  data = 3,           // a damaged or impossible dataset
  memory = 4,         // would not fit, did not, or did not come back
  communication = 5,  // a rank was lost, late or disagreed
  numerics = 6,       // diverged
  checkpoint = 7,     // none that is whole, or not of this model
  storage = 8,        // unreachable or full: worth another try
  stopped = 75,       // on request, with a checkpoint saved: run again to go on
};

// The one exception of the program. The message says what happened, where and what to do; a cause is kept
// below it as a chain of "because" lines. Only main turns it into an exit code.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Error(ExitCode code, const std::string& message, const std::exception& cause)
      : std::runtime_error(message + "\n  because: " + cause.what()), code_(code) {}
  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

}  // namespace ebb
