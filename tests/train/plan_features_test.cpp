// SPDX-License-Identifier: Apache-2.0
// What `ebb plan` knows of evaluate.features and evaluate.samples, on the real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class PlanFeatures : public testing::Test {
 protected:
  [[nodiscard]] ProcessResult plan(const std::vector<std::string>& overrides) const {
    std::vector<std::string> argv{ebb_binary(), "plan", tiny_.folder() / "tiny.yaml"};
    argv.insert(argv.end(), overrides.begin(), overrides.end());
    return run(argv);
  }
  TinyRun tiny_;
};

// The module lives as long as the run. Only an evaluation has its activations.
TEST_F(PlanFeatures, HasTheModuleAndSaysWhatItDoesNotKnow) {
  constexpr std::int64_t kWeights = 64 * 48 * 4 + 48 * 8;
  torch::jit::Module module("features");
  module.register_parameter("weight", torch::ones({64, 48}), false);
  module.register_buffer("shift", torch::ones({48}, torch::kDouble));
  module.define(
      "def forward(self, x):\n    return x.float().flatten(1).matmul(self.weight).add(self.shift).float()\n");
  const std::string file = tiny_.folder() / "weights.pt", key = "evaluate.features=" + file;
  module.save(file);
  const std::vector<std::string> without = {"run.steps=6", "run.evaluate_every=3", "run.samples=false",
                                            "evaluate.samples=40"};
  std::vector<std::string> with = without;
  with.push_back(key);
  const auto planned = [&](std::vector<std::string> overrides) {
    overrides.emplace_back("--json");
    const ProcessResult result = plan(overrides);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out);
  };
  const json plan_with = planned(with), plan_without = planned(without);
  const std::int64_t bytes = plan_with.at("features").at("module");
  EXPECT_GE(bytes, kWeights);
  EXPECT_LT(bytes, kWeights + 2048) << "with the origins of its code";
  EXPECT_EQ(plan_with.at("features"), (json{{"file", file}, {"module", bytes}, {"activations", nullptr}}));
  EXPECT_FALSE(plan_without.contains("features"));
  const auto parameters = [](const json& of) { return of.at("live").at("parameters").get<std::int64_t>(); };
  EXPECT_EQ(parameters(plan_with), parameters(plan_without) + bytes);

  const ProcessResult trained = tiny_.train(1, "features", with);
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  std::int64_t peak = 0;
  for (const json& line : memory_lines(tiny_.run_folder("features"), 0)) {
    EXPECT_EQ(line.at("live"), plan_with.at("live"));
    if (!line.at("stages").contains("evaluate"))
      peak = std::max(peak, line.at("peak_total").get<std::int64_t>());
  }
  EXPECT_EQ(peak, plan_with.at("peak_total"));

  EXPECT_THAT(plan(with).out, HasSubstr("\nfeatures     module counted ("));
  with.back() += "x";
  const ProcessResult elsewhere = plan(with);
  EXPECT_EQ(elsewhere.exit_code, 0) << elsewhere.err;
  EXPECT_THAT(elsewhere.out, HasSubstr("module and activations not counted"));
}

// As the run itself, with the same words.
TEST_F(PlanFeatures, RefusesMeasuresThatARunRefuses) {
  const std::string wrong = tiny_.folder() / "wrong.pt";
  std::ofstream(wrong) << "no module\n";
  const std::vector<std::vector<std::string>> all = {
      {"evaluate.samples=71"},
      {"evaluate.samples=3", "evaluate.features=" + wrong},
      {"evaluate.samples=40", "evaluate.features=" + wrong},
  };
  for (const std::vector<std::string>& overrides : all) {
    const ProcessResult planned = plan(overrides), trained = tiny_.train(1, "not-begun", overrides);
    EXPECT_EQ(trained.exit_code, 2) << trained.err;
    EXPECT_EQ(planned.exit_code, trained.exit_code) << planned.out;
    EXPECT_EQ(planned.err, trained.err);
  }
  const TinyRun text(TinyRun::Of::text);
  const ProcessResult planned =
      run({ebb_binary(), "plan", text.folder() / "tiny.yaml", "evaluate.samples=8"});
  EXPECT_EQ(planned.exit_code, 2);
  EXPECT_THAT(planned.err, HasSubstr("makes no images"));
}

}  // namespace
}  // namespace ebb::test
