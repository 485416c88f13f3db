#include "comm/neighbour.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace ebb::comm {
namespace {

// What a process that has explained its end calls itself: a name is what another process can read of it
// without anything being set up before. At most 15 bytes.
constexpr const char* kLastWord = "ebb ended ";

struct Seen {
  std::string program;
  char state = 0;
  std::uint64_t started = 0;
};

// /proc/PID/stat: "pid (name) state …", the 22nd field is the start. The name may hold blanks and brackets.
Seen look_at(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return {};
  const auto open = text.find('('), close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return {};
  Seen seen;
  seen.program = text.substr(open + 1, close - open - 1);
  std::istringstream rest(text.substr(close + 1));
  rest >> seen.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) rest >> skipped;
  rest >> seen.started;
  return seen;
}

}  // namespace

Neighbour Neighbour::at(const std::string& host, pid_t pid) {
  Neighbour neighbour;
  if (pid <= 0 || host != host_name()) return neighbour;
  const Seen theirs = look_at(pid), ours = look_at(::getpid());
  if (theirs.program.empty() || theirs.program != ours.program) return neighbour;
  neighbour.pid_ = pid;
  neighbour.started_ = theirs.started;
  return neighbour;
}

bool Neighbour::has_ended() const {
  if (pid_ == 0) return false;
  const Seen now = look_at(pid_);
  return now.state == 0 || now.state == 'Z' || now.state == 'X' || now.started != started_;
}

std::optional<ExitCode> Neighbour::last_word() const {
  if (pid_ == 0) return std::nullopt;
  const Seen now = look_at(pid_);
  if (now.started != started_ || !now.program.starts_with(kLastWord)) return std::nullopt;
  return static_cast<ExitCode>(std::atoi(now.program.c_str() + std::string(kLastWord).size()));
}

void say_to_neighbours(ExitCode code) {
  ::prctl(PR_SET_NAME, (kLastWord + std::to_string(static_cast<int>(code))).c_str());
  std::this_thread::sleep_for(3 * kNeighbourLook);
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "this host";
}

}  // namespace ebb::comm
