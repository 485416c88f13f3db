// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/types.h>

#include <fstream>
#include <string>
#include <vector>

#include "support/process.h"

namespace ebb::test {

// The ranks that `parent` has started up to now, through mpirun and its daemons. `ebb launch` first runs
// mpirun for its version.
inline std::vector<pid_t> ranks_below(pid_t parent) {
  std::vector<pid_t> ranks;
  for (const pid_t child : children(parent)) {
    std::ifstream in("/proc/" + std::to_string(child) + "/cmdline", std::ios::binary);
    std::string program, command;
    std::getline(in, program, '\0');
    std::getline(in, command, '\0');
    if (command == "train") {
      ranks.push_back(child);
    } else {
      const std::vector<pid_t> below = ranks_below(child);
      ranks.insert(ranks.end(), below.begin(), below.end());
    }
  }
  return ranks;
}

}  // namespace ebb::test
