// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/control_group.h"

namespace ebb::test {

// A new control group with a limit, as for a container. Empty if this process may not make one.
class LimitedGroup {
 public:
  using Values = std::initializer_list<std::pair<const char*, std::string>>;  // of the group's files

  static LimitedGroup of_memory(std::int64_t bytes) {
    return {{"memory", "memory.limit_in_bytes", "memory.max"},
            {{"memory.limit_in_bytes", std::to_string(bytes)}},
            {{"memory.max", std::to_string(bytes)}}};
  }
  static LimitedGroup of_cores(double cores) {
    const std::string quota = std::to_string(static_cast<int>(cores * 100'000));
    return {{"cpu", "cpu.cfs_quota_us", "cpu.max"},
            {{"cpu.cfs_period_us", "100000"}, {"cpu.cfs_quota_us", quota}},
            {{"cpu.max", quota + " 100000"}}};
  }
  ~LimitedGroup() { remove(); }
  LimitedGroup(const LimitedGroup&) = delete;
  LimitedGroup& operator=(const LimitedGroup&) = delete;
  [[nodiscard]] bool empty() const { return path_.empty(); }

  // The shell command line of a program within the group.
  [[nodiscard]] std::string command(const std::vector<std::string>& argv) const {
    std::string line = "echo $$ > " + (path_ / "cgroup.procs").string() + " && exec";
    for (const std::string& word : argv) line += " '" + word + "'";
    return line;
  }

 private:
  LimitedGroup(const Controller& controller, Values v1, Values v2) {
    const ControlGroup own = find_control_group(controller);
    if (own.version == 0) return;
    std::error_code error;
    path_ = own.folders.front() / ("ebb-test-" + std::to_string(::getpid()));
    if (!std::filesystem::create_directory(path_, error)) {
      path_.clear();
      return;
    }
    for (const auto& [file, value] : own.version == 1 ? v1 : v2) {
      std::ofstream out(path_ / file);
      out << value << std::flush;
      if (out) continue;
      remove();
      return;
    }
  }
  void remove() {
    std::error_code error;
    for (int i = 0; i < 100 && !path_.empty() && !std::filesystem::remove(path_, error); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    path_.clear();
  }

  std::filesystem::path path_;
};

}  // namespace ebb::test
