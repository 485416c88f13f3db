#pragma once
#include <functional>
#include <string>

#include "base/error.h"
#include "cli/last_words.h"
#include "cli/mpirun_line.h"
#include "cli/signals_held.h"

namespace ebb::cli {

// How mpirun ended.
struct RunEnd {
  int code = 0;                // as a shell has it: 128 + N for one ended by signal N
  int stop_requests = 0;       // 1: after this step; 2 and more: at once
  bool out_of_memory = false;  // the kernel killed a process for lack of memory just before
  bool forced = false;         // mpirun did not end by itself after a rank had
  LastWords words{};
};

// How a second request to stop is taken.
enum class Attendance {
  person,    // who presses Ctrl-C again wants the end at once
  scheduler  // which sends SIGTERM as often as it likes, and kills when its patience is over
};

// Runs the line and waits for its end. mpirun gets a process group of its own, no standard input, our
// standard output, and standard error by way of NoiseFilter; it is ended with SIGTERM should we die. While it
// runs, SIGINT, SIGTERM, SIGHUP (if not ignored) and SIGUSR1 to us become SIGUSR1 to mpirun, which hands it
// to every rank; after a SIGINT or SIGTERM a second one becomes SIGTERM to mpirun, each further one kills all
// (SIGTERM only where a person attends). `say` is called with what is being done about a signal. The calling
// thread has to be the only one of the process.
RunEnd run_supervised(const LaunchHost& host, const LaunchLine& line, const SignalsHeld& signals,
                      Attendance attendance, const std::function<void(const std::string&)>& say);

// What `ebb launch` ends with, and what has to be said beyond what the ranks said themselves (empty:
// nothing).
struct Verdict {
  ExitCode code = ExitCode::ok;
  std::string message;
};
Verdict verdict(const RunEnd& end);

}  // namespace ebb::cli
