// SPDX-License-Identifier: Apache-2.0
#include "launch/mpirun_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>
#include <thread>

#include "base/child_process.h"
#include "base/units.h"
#include "launch/heartbeat_filter.h"
#include "launch/noise_filter.h"
#include "launch/output_buffer.h"
#include "launch/stall_watch.h"
#include "memory/oom_kills.h"

namespace ebb::launch {
namespace {

constexpr int kHoldMs = 200;  // silence after which the beginning of a paragraph is printed as it is
// A request to stop is lost if mpirun has not started its ranks yet, so it is repeated.
constexpr int kAskAgainMs = 5000;
constexpr int kLostPollMs = 1000;
constexpr int kDrainMs = 2000;       // for a reader that is slow at the end
constexpr int kKillPollMs = 10'000;  // longest delay until a kill for lack of memory is noticed
// mpirun should end after it reports a lost host, but sometimes does not.
constexpr auto kGraceAfterHostLoss = std::chrono::seconds(15);
// mpirun also does not end if a host disappears without closing its connections. It waits for its daemon on
// that host, although the other ranks have ended with an error. In rare cases it hangs after ranks were
// killed during their exit. Ranks have this long to clean up before mpirun is killed.
constexpr auto kGraceAfterRankFailure = std::chrono::seconds(30);
constexpr auto kGraceAfterStall = std::chrono::seconds(15);
// Even SIGKILL does not end a process that waits in the kernel for storage.
constexpr auto kGraceAfterKill = std::chrono::seconds(10);

[[noreturn]] void fail(const char* what) {
  throw Error(ExitCode::internal, fmt::format("cannot start mpirun: {}: {}", what, std::strerror(errno)));
}

// A pipe for one output of mpirun. The destructor closes both ends.
class OutputPipe {
 public:
  OutputPipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) fail("pipe");
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
  }
  ~OutputPipe() {
    for (int& end : ends_) close(end);
  }
  OutputPipe(const OutputPipe&) = delete;
  OutputPipe& operator=(const OutputPipe&) = delete;
  [[nodiscard]] int write_end() const { return ends_[1]; }
  [[nodiscard]] int read_end() const { return ends_[0]; }  // -1 after the end of the output
  void close_write_end() { close(ends_[1]); }
  // Calls `use` with all text that is there.
  template <class F>
  void read(const F& use) {
    std::array<char, 16384> block{};
    ssize_t n = -1;
    while (ends_[0] >= 0 && (n = ::read(ends_[0], block.data(), block.size())) > 0)
      use(std::string_view(block.data(), static_cast<std::size_t>(n)));
    if (n == 0) close(ends_[0]);
  }

 private:
  static void close(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  std::array<int, 2> ends_{-1, -1};
};

// `output`: of mpirun; -1: that of this process.
pid_t start(const LaunchHost& host, const MpirunCommand& command, int output, int errors,
            const sigset_t& mask) {
  const ExecArguments arguments(command.argv, command.environment);
  const pid_t child = fork_group_leader(SIGTERM);
  if (child < 0) fail("fork");
  if (child > 0) return child;
  // These signals stop a background process that reads from or (with `stty tostop`) writes to its terminal.
  ::signal(SIGTTIN, SIG_IGN);
  ::signal(SIGTTOU, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);  // until mpirun has set its own handler
  ::signal(SIGPIPE, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing > 0) ::dup2(nothing, STDIN_FILENO);
  if (output >= 0) ::dup2(output, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execve(host.mpirun.c_str(), arguments.argv(), arguments.environment());
  ::dprintf(STDERR_FILENO, "cannot run %s: %s\n", host.mpirun.c_str(), std::strerror(errno));
  ::_exit(127);
}

// Kills ranks whose mpirun was killed: PR_SET_CHILD_SUBREAPER made them children of this process.
void kill_orphans(const std::function<void(const std::string&)>& say) {
  const std::string path = fmt::format("/proc/self/task/{}/children", ::getpid());
  const auto until = std::chrono::steady_clock::now() + kGraceAfterKill;
  for (;;) {
    std::ifstream file(path);
    std::string left;
    bool any = false;
    for (pid_t orphan = 0; file >> orphan;) {
      any = true;
      ::kill(orphan, SIGKILL);
      if (::waitpid(orphan, nullptr, WNOHANG) == 0) left += fmt::format(" {}", orphan);
    }
    if (!any) return;  // the children of those that have ended are children of this process now
    if (!left.empty() && std::chrono::steady_clock::now() > until)
      return say(
          fmt::format("these processes do not end after SIGKILL, since they wait in the kernel:{}", left));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void handle_signal(int signal, pid_t mpirun, RepeatedSigterm repeated, RunEnd& end, int& urgent,
                   const std::function<void(const std::string&)>& say) {
  const bool may_be_urgent = signal == SIGINT || (signal == SIGTERM && repeated == RepeatedSigterm::ends_now);
  if (may_be_urgent) ++urgent;
  if (end.stop_requests == 0) {
    end.stop_requests = 1;
    say(signal == SIGINT || repeated == RepeatedSigterm::ends_now
            ? "stopping after this step and saving a checkpoint; press Ctrl-C again to end at once without it"
            : "stopping after this step and saving a checkpoint");
    ::kill(mpirun, SIGUSR1);
  } else if (may_be_urgent && urgent > 1) {
    ++end.stop_requests;
    if (end.stop_requests == 2) {
      say("ending all ranks at once; only a checkpoint that is already complete is kept");
      ::kill(mpirun, SIGTERM);
    } else {
      say("killing all ranks");
      ::kill(-mpirun, SIGKILL);
    }
  }
}

}  // namespace

RunEnd run_mpirun(const LaunchHost& host, const MpirunCommand& command, const ScopedSignalBlock& signals,
                  const RunRules& rules, const std::function<void(const std::string&)>& say) {
  OutputPipe output, errors;
  // The ranks ask whether mpirun's output is a terminal.
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  memory::OomKillWatch kills;
  const pid_t mpirun =
      start(host, command, terminal ? -1 : output.write_end(), errors.write_end(), signals.previous_mask());
  output.close_write_end();
  errors.close_write_end();

  using Clock = std::chrono::steady_clock;
  RunEnd end;
  end.chosen_components = host.chosen_components;
  std::optional<Clock::time_point> give_up;  // when mpirun is killed after a loss
  std::optional<Clock::time_point> killed;   // the first time
  int urgent = 0;                            // how many SIGINT, and SIGTERM if a second one ends the run
  HeartbeatFilter heartbeats;
  StallWatch watch(rules.ranks, rules.stall_s, Clock::now());
  NoiseFilter filter;
  ErrorReportParser parser;
  OutputBuffer to_output(STDOUT_FILENO), to_errors(STDERR_FILENO);
  Clock::time_point last_error_text{}, last_stop_request{};
  const auto forward = [&] {
    output.read([&](std::string_view text) { to_output.put(text); });
    errors.read([&](std::string_view read) {
      const std::string text =
          heartbeats.feed(read, [&](const auto& line) { watch.report(line, Clock::now()); });
      if (text.empty()) return;
      parser.feed(text);
      to_errors.put(filter.feed(text));
      last_error_text = Clock::now();
    });
  };
  for (bool ended = false; !ended;) {
    // poll() ignores negative descriptors.
    std::array<pollfd, 5> fds{{{signals.fd(), POLLIN, 0},
                               {output.read_end(), POLLIN, 0},
                               {errors.read_end(), POLLIN, 0},
                               {to_output.is_waiting() ? to_output.fd() : -1, POLLOUT, 0},
                               {to_errors.is_waiting() ? to_errors.fd() : -1, POLLOUT, 0}}};
    const bool lost = parser.found().host_lost, failed = parser.found().a_rank_failed();
    int timeout_ms = filter.holding()            ? kHoldMs
                     : end.stop_requests == 1    ? kAskAgainMs
                     : lost || failed || give_up ? kLostPollMs
                                                 : kKillPollMs;
    if (rules.stall_s > 0) timeout_ms = std::min<int>(timeout_ms, watch.longest_wait().count());
    if ((lost || failed) && !give_up)
      give_up = Clock::now() + (lost ? kGraceAfterHostLoss : kGraceAfterRankFailure);
    // A process that waits for storage in the kernel does not end even then.
    if (killed && Clock::now() > *killed + kGraceAfterKill) {
      end.code = 128 + SIGKILL;
      break;
    }
    if (give_up && Clock::now() > *give_up) {
      say(!end.stall.empty() ? "mpirun does not end either: killing it"
          : lost             ? "mpirun has lost a host and does not end: ending mpirun"
                 : "a rank has ended early, and mpirun does not end: a host may be lost. Ending mpirun");
      end.forced = true;
      ::kill(-mpirun, SIGKILL);
      if (!killed) killed = Clock::now();
      give_up = Clock::now() + kGraceAfterHostLoss;
    }
    kills.poll();
    ::poll(fds.data(), fds.size(), timeout_ms);
    forward();
    const Clock::time_point now = Clock::now();
    if (filter.holding() && now - last_error_text >= std::chrono::milliseconds(kHoldMs))
      to_errors.put(filter.flush());
    if (end.stop_requests == 1 && now - last_stop_request >= std::chrono::milliseconds(kAskAgainMs)) {
      ::kill(mpirun, SIGUSR1);
      last_stop_request = now;
    }
    if (watch.is_stalled(now) && !give_up) {
      end.stall = watch.describe(now);
      say(fmt::format("no rank has made progress for {} (launch.stall): ending the run",
                      format_duration(rules.stall_s)));
      ::kill(mpirun, SIGTERM);
      give_up = now + kGraceAfterStall;
    }
    to_output.write();
    to_errors.write();
    for (int signal = signals.next(); signal != 0; signal = signals.next()) {
      if (signal == SIGUSR2) {
        ::kill(mpirun, SIGUSR2);  // mpirun forwards it to the ranks, which write memory reports
        continue;
      }
      if (signal != SIGCHLD) {
        if (end.stop_requests == 0) last_stop_request = now;
        handle_signal(signal, mpirun, rules.repeated_sigterm, end, urgent, say);
        continue;
      }
      int status = 0;
      if (::waitpid(mpirun, &status, WNOHANG) != mpirun) continue;
      end.crashed = WIFSIGNALED(status) && !end.forced && end.stop_requests < 2;
      end.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      ended = true;
    }
  }
  forward();
  to_errors.put(filter.feed(heartbeats.flush()));
  to_errors.put(filter.flush());
  to_output.drain(kDrainMs);
  to_errors.drain(kDrainMs);
  kill_orphans(say);
  end.began = watch.has_begun();
  if (end.stall.empty()) end.error = parser.found();  // else it is what SIGTERM caused
  // The kill was on this host, or a neighbour of the killed rank reported it from another host.
  end.out_of_memory =
      kills.oom_killed_recently() || end.error.text.find(memory::kOomKillMessage) != std::string::npos;
  return end;
}

}  // namespace ebb::launch
