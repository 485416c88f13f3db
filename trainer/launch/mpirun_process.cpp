// SPDX-License-Identifier: Apache-2.0
#include "launch/mpirun_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>

#include "base/child_process.h"
#include "launch/noise_filter.h"
#include "memory/oom_kills.h"

namespace ebb::launch {
namespace {

constexpr int kHoldMs = 200;  // silence after which the beginning of a paragraph is printed as it is
// A request to stop is lost if mpirun has not started its ranks yet, so it is repeated.
constexpr int kAskAgainMs = 5000;
constexpr int kLostPollMs = 1000;
constexpr int kKillPollMs = 10'000;  // longest delay until a kill for lack of memory is noticed
// mpirun should end after it reports a lost host, but sometimes does not.
constexpr auto kGraceAfterHostLoss = std::chrono::seconds(15);
// mpirun also does not end if a host disappears without closing its connections. It waits for its daemon on
// that host, although the other ranks have ended with an error. In rare cases it hangs after ranks were
// killed during their exit. Ranks have this long to clean up before mpirun is killed.
constexpr auto kGraceAfterRankFailure = std::chrono::seconds(30);

// Closes a file descriptor on destruction.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

[[noreturn]] void fail(const char* what) {
  throw Error(ExitCode::internal, fmt::format("cannot start mpirun: {}: {}", what, std::strerror(errno)));
}

pid_t start(const LaunchHost& host, const MpirunCommand& command, int error_pipe, const sigset_t& mask) {
  const ExecArguments arguments(command.argv, command.environment);
  const pid_t child = fork_group_leader(SIGTERM);
  if (child < 0) fail("fork");
  if (child > 0) return child;
  // These signals stop a background process that reads from or (with `stty tostop`) writes to its terminal.
  ::signal(SIGTTIN, SIG_IGN);
  ::signal(SIGTTOU, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);  // until mpirun has set its own handler
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing > 0) ::dup2(nothing, STDIN_FILENO);
  ::dup2(error_pipe, STDERR_FILENO);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execve(host.mpirun.c_str(), arguments.argv(), arguments.environment());
  ::dprintf(STDERR_FILENO, "cannot run %s: %s\n", host.mpirun.c_str(), std::strerror(errno));
  ::_exit(127);
}

void print(const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(STDERR_FILENO, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR && errno != EAGAIN) return;  // the reader has gone; the run continues
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

// Kills ranks whose mpirun was killed: PR_SET_CHILD_SUBREAPER made them children of this process.
void kill_orphans() {
  const std::string path = fmt::format("/proc/self/task/{}/children", ::getpid());
  for (int round = 0; round < 100; ++round) {
    std::ifstream file(path);
    bool any = false;
    for (pid_t orphan = 0; file >> orphan;) {
      ::kill(orphan, SIGKILL);
      ::waitpid(orphan, nullptr, 0);
      any = true;
    }
    if (!any) return;
  }
}

void handle_signal(int signal, pid_t mpirun, RepeatedSigterm repeated, RunEnd& end, int& urgent,
                   const std::function<void(const std::string&)>& say) {
  const bool may_be_urgent = signal == SIGINT || (signal == SIGTERM && repeated == RepeatedSigterm::ends_now);
  if (may_be_urgent) ++urgent;
  if (end.stop_requests == 0) {
    end.stop_requests = 1;
    say(repeated == RepeatedSigterm::ends_now
            ? "stopping after this step and saving a checkpoint; press Ctrl-C again to end at once"
            : "stopping after this step and saving a checkpoint");
    ::kill(mpirun, SIGUSR1);
  } else if (may_be_urgent && urgent > 1) {
    ++end.stop_requests;
    if (end.stop_requests == 2) {
      say("ending all ranks at once; the last checkpoint is kept");
      ::kill(mpirun, SIGTERM);
    } else {
      say("killing all ranks");
      ::kill(-mpirun, SIGKILL);
    }
  }
}

}  // namespace

RunEnd run_mpirun(const LaunchHost& host, const MpirunCommand& command, const ScopedSignalBlock& signals,
                  RepeatedSigterm repeated, const std::function<void(const std::string&)>& say) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe");
  Descriptor read_end(ends[0]), write_end(ends[1]);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  memory::OomKillWatch kills;
  const pid_t mpirun = start(host, command, write_end.get(), signals.previous_mask());
  write_end.close();

  RunEnd end;
  std::optional<std::chrono::steady_clock::time_point> give_up;  // when mpirun is killed after a loss
  int urgent = 0;  // how many SIGINT, and SIGTERM if a second one ends the run
  NoiseFilter filter;
  ErrorReportParser parser;
  std::array<char, 16384> block{};
  const auto forward_output = [&] {
    ssize_t n = 0;
    while ((n = ::read(read_end.get(), block.data(), block.size())) > 0) {
      const std::string_view text(block.data(), static_cast<std::size_t>(n));
      parser.feed(text);
      print(filter.feed(text));
    }
    if (n == 0) read_end.close();
  };
  for (bool ended = false; !ended;) {
    std::array<pollfd, 2> fds{{{signals.fd(), POLLIN, 0}, {read_end.get(), POLLIN, 0}}};
    const bool lost = parser.found().host_lost, failed = parser.found().a_rank_failed();
    const int timeout_ms = filter.holding()         ? kHoldMs
                           : end.stop_requests == 1 ? kAskAgainMs
                           : lost || failed         ? kLostPollMs
                                                    : kKillPollMs;
    if ((lost || failed) && !give_up)
      give_up = std::chrono::steady_clock::now() + (lost ? kGraceAfterHostLoss : kGraceAfterRankFailure);
    if (give_up && std::chrono::steady_clock::now() > *give_up) {
      say(lost ? "mpirun has lost a host and does not end: ending mpirun"
               : "a rank has ended early, and mpirun does not end: a host may be lost. Ending mpirun");
      end.forced = true;
      ::kill(-mpirun, SIGKILL);
      give_up = std::chrono::steady_clock::now() + kGraceAfterHostLoss;
    }
    kills.poll();
    const int ready = ::poll(fds.data(), fds.size(), timeout_ms);
    if (ready == 0 && timeout_ms == kAskAgainMs) ::kill(mpirun, SIGUSR1);
    if (ready == 0) print(filter.flush());
    if (fds[1].revents != 0) forward_output();
    for (int signal = signals.next(); signal != 0; signal = signals.next()) {
      if (signal == SIGUSR2) {
        ::kill(mpirun, SIGUSR2);  // mpirun forwards it to the ranks, which write memory reports
        continue;
      }
      if (signal != SIGCHLD) {
        handle_signal(signal, mpirun, repeated, end, urgent, say);
        continue;
      }
      int status = 0;
      if (::waitpid(mpirun, &status, WNOHANG) != mpirun) continue;
      end.crashed = WIFSIGNALED(status) && !end.forced && end.stop_requests < 2;
      end.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      ended = true;
    }
  }
  if (read_end.get() >= 0) forward_output();
  print(filter.flush());
  kill_orphans();
  end.error = parser.found();
  // The kill was on this host, or a neighbour of the killed rank reported it from another host.
  end.out_of_memory =
      kills.oom_killed_recently() || end.error.text.find(memory::kOomKillMessage) != std::string::npos;
  return end;
}

}  // namespace ebb::launch
