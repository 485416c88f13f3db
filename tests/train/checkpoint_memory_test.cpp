// SPDX-License-Identifier: Apache-2.0
// Saving and loading a checkpoint need at most one tensor more than training, on each of four ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

constexpr int kRanks = 4;
// A model of 16.8 million parameters in two matrices, which a checkpoint stores in 200 MiB.
constexpr std::int64_t kHidden = 32768, kFlat = 256;
constexpr std::int64_t kLargest = kHidden * kFlat * 4;  // bytes of a moment, the largest tensor

std::int64_t total(const nlohmann::json& classes) {
  std::int64_t sum = 0;
  for (const auto& [cls, bytes] : classes.items()) sum += bytes.get<std::int64_t>();
  return sum;
}

TEST(CheckpointMemory, OfASaveAndOfALoadIsThatOfAStepAndOneTensor) {
  const TinyRun tiny;
  const std::vector<std::string> model = {"run.steps=6",          "checkpoint.every=3",
                                          "model.width=64",       "model.hidden=" + std::to_string(kHidden),
                                          "run.evaluate_every=0", "run.samples=false",
                                          "optimizer.lr=1e-5"};
  ASSERT_EQ(tiny.train(kRanks, "large", model).exit_code, 0);
  std::vector<std::int64_t> trained;  // the peak of the resident set before the save, of each rank
  for (int rank = 0; rank < kRanks; ++rank) {
    SCOPED_TRACE(rank);
    const auto lines = memory_lines(tiny.run_folder("large"), rank);
    ASSERT_EQ(lines.size(), 6U);
    trained.push_back(lines[1].at("peak_resident"));
    EXPECT_LE(lines[2].at("peak_resident").get<std::int64_t>() - trained.back(), kLargest);
    ASSERT_TRUE(lines[2].at("stages").contains("save"));
    EXPECT_EQ(total(lines[2].at("stages").at("save")), lines[2].at("live_total"));
  }
  std::filesystem::remove_all(tiny.run_folder("large") + "/checkpoints/step-00000006");
  const ProcessResult resumed = tiny.train(kRanks, "large", model);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  ASSERT_NE(resumed.out.find("resumes from step 3"), std::string::npos) << resumed.out;
  for (int rank = 0; rank < kRanks; ++rank) {
    SCOPED_TRACE(rank);
    const auto lines = memory_lines(tiny.run_folder("large"), rank);
    ASSERT_EQ(lines.size(), 6U);
    EXPECT_LE(lines[3].at("peak_resident").get<std::int64_t>() - trained[static_cast<std::size_t>(rank)],
              kLargest);
  }
}

}  // namespace
}  // namespace ebb::test
