// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace ebb::test {

// Expects that `ebb plan CONFIG --json` with the run's overrides equals the memory log of each rank, to the
// byte: live bytes, and the peaks of each class and stage over all steps. Lines with a save or an evaluation
// count only for the stages of a step.
void expect_planned_memory(const std::string& config, int ranks, const std::vector<std::string>& overrides,
                           const std::string& run_folder);

}  // namespace ebb::test
