// SPDX-License-Identifier: Apache-2.0
#include "faults/signal_faults.h"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "base/shell.h"
#include "faults/ranks.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;

enum class Target { launcher, mpirun, rank };

// Sends the signal to a process of the run, and returns its number.
pid_t send(FaultRound& round, const Process& launched, Target target, int signal) {
  pid_t pid = launched.pid();
  std::string name = "the launcher";
  if (target == Target::mpirun) {
    const std::vector<pid_t> below = children(launched.pid());
    pid = below.empty() ? 0 : below.front();
    name = "mpirun";
  } else if (target == Target::rank) {
    const std::vector<pid_t> ranks = ranks_below(launched.pid());
    const std::size_t rank = round.pick({0U, 1U});
    pid = rank < ranks.size() ? ranks[rank] : 0;
    name = fmt::format("rank {}", rank);
  }
  round.note(fmt::format("SIG{} to {}", ::sigabbrev_np(signal), name));
  if (pid > 0) ::kill(pid, signal);  // 0: the run has ended
  return pid;
}

// A signal at a random moment of the training, and how the run ended.
FaultEnd signalled(FaultRound& round, Target target, int signal, std::vector<int> codes) {
  const auto launched = round.start_to_moment();
  const bool met = both_ranks_live(*launched);
  send(round, *launched, target, signal);
  return {launched->wait(), met, std::move(codes), "mpirun|rank "};
}

// Half of them come from the moment on at which the launcher prints mpirun's command, which is long before
// the training.
FaultEnd stop_of_the_launcher(FaultRound& round) {
  std::unique_ptr<Process> launched;
  if (round.pick({true, false})) {
    launched = round.start_to_moment();
  } else {
    launched = round.start();
    if (!launched->wait_for_output("mpirun ")) throw std::runtime_error("no start: " + launched->err());
    round.sleep_randomly("after the start", 0, 1.5);
  }
  send(round, *launched, Target::launcher, round.pick({SIGTERM, SIGINT, SIGHUP, SIGUSR1}));
  const bool met = launched->wait().exit_code == 75;
  return {launched->wait(), met, {0, 75}};
}

FaultEnd two_stops_of_the_launcher(FaultRound& round) {
  const auto launched = round.start_to_moment();
  const bool met = both_ranks_live(*launched);
  const int signal = round.pick({SIGTERM, SIGINT});
  send(round, *launched, Target::launcher, signal);
  round.sleep_randomly("again after", 0, 0.1);
  launched->signal(signal);
  return {launched->wait(), met, {0, 5, 75}, "ended at once on request"};
}

FaultEnd stop_of_mpirun(FaultRound& round) {
  return signalled(round, Target::mpirun, SIGUSR1, {0, 75});
}

// mpirun ends its ranks then. Whether they save before depends on how long mpirun waits.
FaultEnd end_of_mpirun(FaultRound& round) {
  return signalled(round, Target::mpirun, round.pick({SIGTERM, SIGINT, SIGHUP}), {0, 5, 75});
}

FaultEnd stop_of_a_rank(FaultRound& round) {
  return signalled(round, Target::rank, round.pick({SIGTERM, SIGINT, SIGHUP, SIGUSR1}), {0, 75});
}

// Each rank that gets the signal writes a report after its step, unless that was the last.
FaultEnd report_request(FaultRound& round) {
  const Target target = round.pick({Target::launcher, Target::mpirun, Target::rank});
  FaultEnd end = signalled(round, target, SIGUSR2, {0});
  int reports = 0;
  for (const int rank : {0, 1})
    reports += fs::exists(fmt::format("{}/memory/rank-{:05}.report.txt", round.run_folder(), rank)) ? 1 : 0;
  end.met = reports == (target == Target::rank ? 1 : 2);
  return end;
}

FaultEnd signal_without_effect(FaultRound& round) {
  return signalled(round, round.pick({Target::launcher, Target::mpirun, Target::rank}),
                   round.pick({SIGWINCH, SIGPIPE, SIGCONT, SIGURG, SIGCHLD}), {0});
}

// For less than parallel.timeout.
FaultEnd pause(FaultRound& round) {
  const auto launched = round.start_to_moment();
  const bool met = both_ranks_live(*launched);
  const pid_t stopped =
      send(round, *launched, round.pick({Target::launcher, Target::mpirun, Target::rank}), SIGSTOP);
  round.sleep_randomly("continued after", 0.1, 2);
  if (stopped > 0) ::kill(stopped, SIGCONT);
  return {launched->wait(), met, {0}};
}

// Nobody reads the output from a random time on. The shell keeps the code of the launcher.
FaultEnd reader_goes(FaultRound& round) {
  const std::string code = round.path("code"), reader = round.path("reader");
  const double reads_s = round.draw(0.1, 3);
  round.note(fmt::format("the reader goes after {:.3f} s", reads_s));
  std::string line;
  for (const std::string& word : round.command()) line += shell_quoted(word) + " ";
  ProcessResult result = run_shell(fmt::format("( {}; echo $? >{} ) 2>&1 | (timeout {:.3f} cat; echo $? >{})",
                                               line, code, reads_s, reader));
  constexpr int kTimedOut = 124;  // of `timeout`
  int reader_code = 0;
  std::ifstream(reader) >> reader_code;
  result.exit_code = -1;
  std::ifstream(code) >> result.exit_code;
  return {result, reader_code == kTimedOut, {0}};
}

}  // namespace

std::vector<FaultKind> signal_faults() {
  return {{"stop of the launcher", "", stop_of_the_launcher},
          {"two stops of the launcher", "", two_stops_of_the_launcher},
          {"stop of mpirun", "", stop_of_mpirun},
          {"end of mpirun", "", end_of_mpirun},
          {"stop of a rank", "", stop_of_a_rank},
          {"request for a report", "", report_request},
          {"signal without effect", "", signal_without_effect},
          {"pause", "", pause},
          {"reader of the output goes", "", reader_goes}};
}

}  // namespace ebb::test
