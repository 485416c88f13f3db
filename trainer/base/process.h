// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

namespace ebb {

std::string host_name();

// Called first in main(). Opens /dev/null for each of the descriptors 0, 1 and 2 that is closed, so that no
// file of the program gets its number and receives its messages. Ignores SIGXFSZ: a write beyond `ulimit -f`
// then fails with EFBIG.
void prepare_process();

// The current state of another process on this machine, from /proc/PID/stat.
struct ProcessState {
  std::string program;       // its name; the kernel keeps 15 bytes
  char state = 0;            // the kernel's letter; 0: there is no such process
  std::int64_t started = 0;  // in kernel ticks since boot; identifies the process together with its number
  [[nodiscard]] bool ended() const { return state == 0 || state == 'Z' || state == 'X'; }
};
ProcessState read_process_state(std::int64_t pid);

}  // namespace ebb
