// SPDX-License-Identifier: Apache-2.0
// The planned memory of a step equals the measured one, for the families with one network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "train/planned_memory.h"
#include "train/support.h"

namespace ebb::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

struct Case {
  std::string name;
  TinyRun::Of data;
  int ranks;
  std::vector<std::string> overrides;
};

class PlannedMemory : public testing::TestWithParam<Case> {};

TEST_P(PlannedMemory, EqualsTheLogOfEachRank) {
  const Case& one = GetParam();
  const TinyRun tiny(one.data);
  std::vector<std::string> overrides = one.overrides;
  for (const char* key : {"run.steps=6", "run.evaluate_every=3", "run.samples=false"})
    overrides.emplace_back(key);
  const ProcessResult trained = tiny.train(one.ranks, one.name, overrides);
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  expect_planned_memory(tiny.folder() / "tiny.yaml", one.ranks, overrides, tiny.run_folder(one.name));
}

constexpr auto kImages = TinyRun::Of::images, kText = TinyRun::Of::text;
INSTANTIATE_TEST_SUITE_P(
    Families, PlannedMemory,
    testing::Values(Case{"vae", kImages, 1, {}}, Case{"vae-2", kImages, 2, {"data.prefetch=2"}},
                    Case{"vae-micro", kImages, 2, {"data.micro_batches=4"}},
                    Case{"vae-fp32", kImages, 1, {"precision.dtype=fp32", "average.half_life=100"}},
                    Case{"vae-logistic", kImages, 1, {"model.likelihood=discretized_logistic"}},
                    Case{"gpt", kText, 1, {}},
                    Case{"gpt-2-bf16", kText, 2, {"precision.dtype=bf16", "data.micro_batches=2"}},
                    Case{"llama",
                         kText,
                         4,
                         {"model.architecture=llama", "model.kv_heads=1", "model.tied=false",
                          "data.micro_batches=2"}}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::ranges::replace(name, '-', '_');
      return name;
    });

// The batch needs hundreds of gigabytes, and one sample some kilobytes.
TEST(MemoryCheck, ARunThatCannotFitEndsBeforeItsFirstStepWithTheChangeThatFits) {
  const TinyRun tiny;
  const std::vector<std::string> huge = {"data.batch=268435456", "checkpoint.every=0"};
  for (const int ranks : {1, 2}) {
    const std::string name = "huge-" + std::to_string(ranks);
    const ProcessResult refused = tiny.train(ranks, name, huge);
    EXPECT_EQ(refused.exit_code, 4) << refused.out << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("a step needs "));
    EXPECT_THAT(refused.err, HasSubstr("\n  largest: "));
    EXPECT_THAT(refused.err, ContainsRegex("\n  fits: data.micro_batches=[0-9]+ needs .* on each rank"));
    EXPECT_THAT(refused.err, HasSubstr("memory.check=warn"));
    EXPECT_FALSE(std::filesystem::exists(tiny.run_folder(name) + "/metrics.jsonl"));
  }
}

}  // namespace
}  // namespace ebb::test
