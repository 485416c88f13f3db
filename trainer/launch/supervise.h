#pragma once
#include <functional>
#include <string>

#include "launch/mpirun_line.h"
#include "launch/signals_held.h"
#include "launch/verdict.h"

namespace ebb::launch {

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

}  // namespace ebb::launch
