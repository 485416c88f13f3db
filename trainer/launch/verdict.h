#pragma once
#include <string>

#include "base/error.h"
#include "launch/last_words.h"

namespace ebb::launch {

// How mpirun ended.
struct RunEnd {
  int code = 0;                // as a shell has it: 128 + N for one ended by signal N
  int stop_requests = 0;       // 1: after this step; 2 and more: at once
  bool out_of_memory = false;  // the kernel killed a process for lack of memory just before
  bool forced = false;         // mpirun did not end by itself after a rank had
  LastWords words{};
};

// What `ebb launch` ends with, and what has to be said beyond what the ranks said themselves (empty:
// nothing).
struct Verdict {
  ExitCode code = ExitCode::ok;
  std::string message;
};
Verdict verdict(const RunEnd& end);

}  // namespace ebb::launch
