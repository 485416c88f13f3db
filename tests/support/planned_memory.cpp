// SPDX-License-Identifier: Apache-2.0
#include "support/planned_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using nlohmann::json;

json planned(const std::string& config, int ranks, const std::vector<std::string>& overrides) {
  std::vector<std::string> argv{ebb_binary(), "plan", config, "--json", "-n", std::to_string(ranks)};
  argv.insert(argv.end(), overrides.begin(), overrides.end());
  const ProcessResult result = run(argv);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.exit_code == 0 ? json::parse(result.out) : json();
}

json nonzero(const json& classes) {
  json kept = json::object();
  for (const auto& [cls, bytes] : classes.items())
    if (bytes.get<std::int64_t>() > 0) kept[cls] = bytes;
  return kept;
}

// The stages of a step with their classes that have bytes. The log has `setup` for the time after the step
// too.
json of_a_step(const json& stages) {
  json kept = json::object();
  for (const char* stage : {"load", "forward", "backward", "reduce", "update"})
    if (stages.contains(stage) && !nonzero(stages.at(stage)).empty()) kept[stage] = nonzero(stages.at(stage));
  return kept;
}

bool has_pictures(const std::string& run_folder) {
  if (!std::filesystem::exists(run_folder + "/samples")) return false;
  const std::filesystem::recursive_directory_iterator files(run_folder + "/samples");
  return std::any_of(begin(files), end(files),
                     [](const auto& file) { return file.path().extension() == ".png"; });
}

void raise(json& largest, const json& stages) {
  for (const auto& [stage, classes] : stages.items())
    for (const auto& [cls, bytes] : classes.items()) {
      json& value = largest[stage][cls];
      if (value.is_null() || value < bytes) value = bytes;
    }
}

}  // namespace

void expect_planned_memory(const std::string& config, int ranks, const std::vector<std::string>& overrides,
                           const std::string& run_folder) {
  const json plan = planned(config, ranks, overrides);
  ASSERT_TRUE(plan.is_object());
  for (int rank = 0; rank < ranks; ++rank) {
    SCOPED_TRACE("rank " + std::to_string(rank));
    const auto lines = memory_lines(run_folder, rank);
    ASSERT_GE(lines.size(), 5U);
    json stages = json::object(), evaluation = json::object();
    std::int64_t peak = 0;
    for (const json& line : lines) {
      EXPECT_EQ(line.at("live"), plan.at("live"));
      EXPECT_EQ(line.at("predicted"), plan.at("peak_total"));
      raise(stages, of_a_step(line.at("stages")));
      if (line.at("stages").contains("evaluate"))
        raise(evaluation, {{"evaluate", line.at("stages").at("evaluate")}});
      if (line.at("stages").contains("save")) {
        EXPECT_EQ(line.at("stages").at("save"), nonzero(plan.at("stages").at("save")));
      }
      if (!line.at("stages").contains("save") && !line.at("stages").contains("evaluate"))
        peak = std::max(peak, line.at("peak_total").get<std::int64_t>());
    }
    const json expected = of_a_step(plan.at("stages"));
    EXPECT_EQ(stages, expected) << json::diff(stages, expected);
    EXPECT_EQ(peak, plan.at("peak_total"));
    // Pictures and reconstructions, which are not planned, belong to the same stage.
    if (!evaluation.empty() && !has_pictures(run_folder)) {
      const json planned_evaluation = {{"evaluate", nonzero(plan.at("stages").at("evaluate"))}};
      EXPECT_EQ(evaluation, planned_evaluation) << json::diff(evaluation, planned_evaluation);
    }
  }
}

}  // namespace ebb::test
