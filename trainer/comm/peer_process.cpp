// SPDX-License-Identifier: Apache-2.0
#include "comm/peer_process.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/process.h"

namespace ebb::comm {
namespace {

// The prefix of the process name that announces an exit. Another process can read a name without
// any set-up. A name has at most 15 bytes.
constexpr const char* kExitName = "ebb ended ";

}  // namespace

PeerProcess PeerProcess::at(const std::string& host, pid_t pid) {
  PeerProcess peer;
  if (pid <= 0 || host != host_name()) return peer;
  const ProcessState theirs = read_process_state(pid), ours = read_process_state(::getpid());
  if (theirs.program.empty() || theirs.program != ours.program) return peer;
  peer.pid_ = pid;
  peer.started_ = theirs.started;
  return peer;
}

bool PeerProcess::has_ended() const {
  if (pid_ == 0) return false;
  const ProcessState now = read_process_state(pid_);
  return now.ended() || now.started != started_;
}

std::optional<ExitCode> PeerProcess::announced_exit() const {
  if (pid_ == 0) return std::nullopt;
  const ProcessState now = read_process_state(pid_);
  if (now.started != started_ || !now.program.starts_with(kExitName)) return std::nullopt;
  return static_cast<ExitCode>(std::atoi(now.program.c_str() + std::string(kExitName).size()));
}

void announce_exit(ExitCode code) {
  ::prctl(PR_SET_NAME, (kExitName + std::to_string(static_cast<int>(code))).c_str());
  std::this_thread::sleep_for(3 * kPeerCheckInterval);
}

}  // namespace ebb::comm
