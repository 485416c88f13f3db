// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

inline const std::vector<std::string> kForever = {"run.steps=1000000", "telemetry.progress_every=200ms"};

inline std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Supervised : public ::testing::Test {
 protected:
  std::vector<std::string> launch(const std::string& name, const std::vector<std::string>& overrides,
                                  const std::vector<std::string>& options = {}) const {
    std::vector<std::string> argv = tiny_.launch(name, overrides);
    argv.insert(argv.begin() + 2,
                {"--supervise", "--restart-pause", "100ms", "--termination-message", message_});
    argv.insert(argv.begin() + 2, options.begin(), options.end());
    return argv;
  }
  static std::vector<pid_t> ranks(const Process& launched) {
    std::vector<pid_t> found;
    for (const pid_t mpirun : children(launched.pid()))
      for (const pid_t rank : children(mpirun)) found.push_back(rank);
    return found;
  }
  // Waits for a complete checkpoint of this step or a later one. Returns the ranks of the run at that time.
  std::vector<pid_t> ranks_after_checkpoint(const Process& launched, const std::string& name,
                                            int step) const {
    const fs::path folder = fs::path(tiny_.run_folder(name)) / "checkpoints";
    for (const auto end = Clock::now() + std::chrono::seconds(120); Clock::now() < end;) {
      std::error_code none;
      for (const auto& entry : fs::directory_iterator(folder, none)) {
        const std::string found = entry.path().filename();
        if (entry.path().extension().empty() && fs::exists(entry.path() / "DONE", none) &&
            std::stoi(found.substr(found.find('-') + 1)) >= step)
          return ranks(launched);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "no checkpoint of step " << step << " in " << folder;
    return {};
  }

  TinyRun tiny_;
  const std::string message_ = tiny_.folder() / "termination";
};

}  // namespace ebb::test
