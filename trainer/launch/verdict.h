// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "base/error.h"
#include "launch/error_report.h"

namespace ebb::launch {

// How mpirun ended.
struct RunEnd {
  int code = 0;                // as a shell reports it: 128 + N after signal N
  int stop_requests = 0;       // 1: after this step; 2 and more: at once
  bool out_of_memory = false;  // the kernel killed a process for lack of memory just before
  bool forced = false;         // mpirun hung after a rank had ended, and was killed
  ErrorReport error{};
};

// The exit code of `ebb launch`, and a message that adds to what the ranks printed; it may be empty. It is
// stored in the run folder only if another try cannot fix the fault (launch/stored_verdict.h).
struct Verdict {
  ExitCode code = ExitCode::ok;
  std::string message;
};
Verdict verdict(const RunEnd& end);

}  // namespace ebb::launch
