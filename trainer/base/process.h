#pragma once
#include <cstdint>
#include <string>

namespace ebb {

std::string host_name();

// Another process of this machine, as /proc/PID/stat shows it now.
struct ProcessState {
  std::string program;       // its name, cut by the kernel to 15 bytes
  char state = 0;            // the kernel's letter; 0: there is no such process
  std::int64_t started = 0;  // in the kernel's ticks since it booted: with its number, this is who it is
  [[nodiscard]] bool ended() const { return state == 0 || state == 'Z' || state == 'X'; }
};
ProcessState look_at_process(std::int64_t pid);

}  // namespace ebb
