// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace ebb {

// The exit codes of the process. All ranks end with the same code.
enum class ExitCode : int {
  ok = 0,
  internal = 1,       // a fault of ebb
  usage = 2,          // command line or configuration
  data = 3,           // a damaged or invalid dataset
  memory = 4,         // does not fit, or was not released
  communication = 5,  // a rank is lost or late, or disagrees
  numerics = 6,       // diverged
  checkpoint = 7,     // damaged, or of another model
  storage = 8,        // unreachable or full; a retry may succeed
  stopped = 75,       // on request, with a checkpoint saved; run again to resume
};

// An error that ebb reports to the user. Most exceptions of other types are converted to it near their
// source. The message has the fault, its place and the remedy. Causes follow as a chain of "because" lines.
// `cli` prints it and ends the process, or all ranks, with its code.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Error(ExitCode code, const std::string& message, const std::exception& cause)
      : std::runtime_error(message + "\n  because: " + cause.what()), code_(code) {}
  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

// The run has diverged. All ranks throw it in the same step, from values that they agree on, so that all of
// them can go back to a checkpoint.
class DivergenceError : public Error {
 public:
  explicit DivergenceError(const std::string& message) : Error(ExitCode::numerics, message) {}
};

}  // namespace ebb
