// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "base/error.h"
#include "launch/error_report.h"

namespace ebb::launch {

// The end of an mpirun process.
struct RunEnd {
  int code = 0;                // as a shell reports it: 128 + N after signal N
  int stop_requests = 0;       // 1: after this step; 2 and more: at once
  bool out_of_memory = false;  // the kernel killed a process for lack of memory just before
  bool forced = false;         // `ebb launch` killed it: it did not end after a lost host or a failed rank
  bool crashed = false;        // a signal that this process did not send ended mpirun itself
  bool began = false;          // a rank has reported a stage
  std::string chosen_components{};  // LaunchHost::chosen_components
  std::string stall{};              // all ranks stood still, so `ebb launch` ended them; empty: they did not
  ErrorReport error{};
};

// The exit code of `ebb launch`, and a message in addition to those of the ranks; it may be empty. The run
// folder stores it only if a retry cannot fix the fault (launch/stored_verdict.h).
struct Verdict {
  ExitCode code = ExitCode::ok;
  std::string message;
};
Verdict verdict(const RunEnd& end);

}  // namespace ebb::launch
