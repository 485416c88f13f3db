// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"

namespace ebb::comm {

inline constexpr auto kPeerCheckInterval = std::chrono::milliseconds(50);  // between checks by a waiting rank

// Watches another rank's process on this host, so that a waiting rank sees at once that it has
// ended. mpirun ends the other ranks within a second or two, long before a time limit would name
// the missing rank.
class PeerProcess {
 public:
  PeerProcess() = default;  // a process that is not watched
  // `host` and `pid` as the other rank sent them. The process is watched if it is on this host and
  // its number denotes the same program here. (Containers may share a host name.)
  static PeerProcess at(const std::string& host, pid_t pid);

  [[nodiscard]] pid_t pid() const { return pid_; }  // 0 if not watched
  [[nodiscard]] bool has_ended() const;             // false if not watched
  // The exit code that the process has announced by announce_exit(), if any.
  [[nodiscard]] std::optional<ExitCode> announced_exit() const;

 private:
  pid_t pid_ = 0;
  std::int64_t started_ = 0;  // in kernel ticks; a later process with the same number has another one
};

// Announces to the other ranks of the host that this process ends with `code` and has reported its error.
// They then do not report it as lost. Sleeps until they can have seen it.
void announce_exit(ExitCode code);

}  // namespace ebb::comm
