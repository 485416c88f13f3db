#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"

namespace ebb::comm {

inline constexpr auto kNeighbourLook = std::chrono::milliseconds(50);  // how often a waiting rank looks

// Another process of this machine, to see at once that it has ended: a launcher ends the others within a
// second or two, and who waits for a time limit never gets to say for whom.
class Neighbour {
 public:
  Neighbour() = default;  // one that cannot be watched
  // `host` and `pid` as the other gave them. Watched where it is on this host, and its process number stands
  // for the same program here too (containers may share a host's name).
  static Neighbour at(const std::string& host, pid_t pid);

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool has_ended() const;  // false where it is not watched
  // The code that it is about to end with, where it has said so itself (say_to_neighbours).
  [[nodiscard]] std::optional<ExitCode> last_word() const;

 private:
  pid_t pid_ = 0;
  std::int64_t started_ = 0;  // in the kernel's ticks: another process may be given the same number
};

// Before this process ends by an error that it has explained: its neighbours need not say that it is gone.
// Takes a little longer than they need to see it.
void say_to_neighbours(ExitCode code);

}  // namespace ebb::comm
