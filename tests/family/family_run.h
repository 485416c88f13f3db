// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {

// Runs of the tests' family of two networks, in a folder of their own.
class FamilyRun {
 public:
  static constexpr int kSteps = 24, kBatch = 32, kDraws = 2;

  FamilyRun();
  // Its core program with these families.
  static std::string core();
  [[nodiscard]] std::vector<std::string> command(int ranks, const std::string& name,
                                                 const std::vector<std::string>& overrides) const;
  [[nodiscard]] ProcessResult train(int ranks, const std::string& name,
                                    const std::vector<std::string>& overrides = {}) const;
  // Kills rank 0 when `lines` steps are done, and waits for the end of all ranks.
  void kill_after(std::size_t lines, int ranks, const std::string& name,
                  const std::vector<std::string>& overrides) const;
  // The manifest of a checkpoint.
  [[nodiscard]] nlohmann::json manifest(const std::string& name, int step) const;
  // The lines of steps in metrics.jsonl.
  [[nodiscard]] std::vector<nlohmann::json> step_lines(const std::string& name) const;
  [[nodiscard]] std::string folder(const std::string& name) const { return tiny_.run_folder(name); }
  [[nodiscard]] const TinyRun& tiny() const { return tiny_; }

 private:
  TinyRun tiny_;
};

}  // namespace ebb::test
