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
    EXPECT_THAT(refused.err, HasSubstr("the run needs "));
    EXPECT_THAT(refused.err, HasSubstr("\n  largest: "));
    EXPECT_THAT(refused.err, ContainsRegex("\n  fits: data.micro_batches=[0-9]+ needs .* on each rank"));
    EXPECT_THAT(refused.err, HasSubstr("memory.check=warn"));
    EXPECT_FALSE(std::filesystem::exists(tiny.run_folder(name) + "/metrics.jsonl"));
  }
}

// The activations of this batch exceed it; those of one sample do not.
TEST(MemoryCheck, ABudgetIsHeldTo) {
  const TinyRun tiny;
  const std::vector<std::string> large = {"data.batch=262144", "memory.budget=400MiB", "run.steps=2"};
  const ProcessResult refused = tiny.train(1, "refused", large);
  EXPECT_EQ(refused.exit_code, 4) << refused.out << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("(memory.budget is 400.0 MiB)"));
  EXPECT_THAT(refused.err, ContainsRegex("\n  fits: data.micro_batches=[0-9]+ needs"));
  EXPECT_FALSE(std::filesystem::exists(tiny.run_folder("refused") + "/metrics.jsonl"));

  std::vector<std::string> warned = large;
  warned.emplace_back("memory.check=warn");
  const ProcessResult ended = tiny.train(1, "warned", warned);
  EXPECT_EQ(ended.exit_code, 4) << ended.out << ended.err;
  EXPECT_THAT(ended.out + ended.err, HasSubstr("warning: the run needs "));
  EXPECT_THAT(ended.err, ContainsRegex("out of host memory in stage (forward|backward): .* requested by"));
  EXPECT_THAT(ended.err, ContainsRegex("memory.budget is 400.0 MiB, of which [0-9.]+ MiB are taken by code"));

  std::vector<std::string> fitting = large;
  fitting.emplace_back("data.micro_batches=64");
  const ProcessResult trained = tiny.train(1, "fitting", fitting);
  EXPECT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  EXPECT_LE(json_lines(tiny.run_folder("fitting") + "/memory/rank-00000.jsonl")
                .back()["peak_resident"]
                .get<std::int64_t>(),
            std::int64_t{400} << 20);
}

}  // namespace
}  // namespace ebb::test
