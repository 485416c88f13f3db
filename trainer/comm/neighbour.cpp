#include "comm/neighbour.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/process.h"

namespace ebb::comm {
namespace {

// What a process that has explained its end calls itself: a name is what another process can read of it
// without anything being set up before. At most 15 bytes.
constexpr const char* kLastWord = "ebb ended ";

}  // namespace

Neighbour Neighbour::at(const std::string& host, pid_t pid) {
  Neighbour neighbour;
  if (pid <= 0 || host != host_name()) return neighbour;
  const ProcessState theirs = look_at_process(pid), ours = look_at_process(::getpid());
  if (theirs.program.empty() || theirs.program != ours.program) return neighbour;
  neighbour.pid_ = pid;
  neighbour.started_ = theirs.started;
  return neighbour;
}

bool Neighbour::has_ended() const {
  if (pid_ == 0) return false;
  const ProcessState now = look_at_process(pid_);
  return now.ended() || now.started != started_;
}

std::optional<ExitCode> Neighbour::last_word() const {
  if (pid_ == 0) return std::nullopt;
  const ProcessState now = look_at_process(pid_);
  if (now.started != started_ || !now.program.starts_with(kLastWord)) return std::nullopt;
  return static_cast<ExitCode>(std::atoi(now.program.c_str() + std::string(kLastWord).size()));
}

void say_to_neighbours(ExitCode code) {
  ::prctl(PR_SET_NAME, (kLastWord + std::to_string(static_cast<int>(code))).c_str());
  std::this_thread::sleep_for(3 * kNeighbourLook);
}

}  // namespace ebb::comm
