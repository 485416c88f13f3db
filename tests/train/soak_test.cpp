// SPDX-License-Identifier: Apache-2.0
// 5,000 steps with saves and evaluations between them. Allocated bytes stay the same to the byte, and the
// kernel's counts do not grow.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

TEST(Soak, FiveThousandStepsHoldNoMoreThanTheFirst) {
  constexpr std::size_t kSteps = 5000, kSettled = 200;
  const TinyRun tiny;
  const ProcessResult result = tiny.train(2, "soak",
                                          {"run.steps=5000", "run.evaluate_every=500", "checkpoint.every=500",
                                           "optimizer.lr=1e-4", "data.batch=256", "model.width=32"},
                                          std::chrono::minutes(8));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const int rank : {0, 1}) {
    SCOPED_TRACE(rank);
    const auto lines = memory_lines(tiny.run_folder("soak"), rank);
    ASSERT_EQ(lines.size(), kSteps);
    EXPECT_GT(json_lines(tiny.run_folder("soak") + "/memory/rank-00000.jsonl")[0].at("kept"), 0)
        << "the cache of blocks has nothing to do here";
    std::int64_t least = INT64_MAX, most = 0;
    for (std::size_t step = kSettled; step < kSteps; ++step) {
      ASSERT_EQ(lines[step].at("live"), lines[1].at("live")) << "step " << step;
      const auto resident = lines[step].at("resident").get<std::int64_t>();
      least = std::min(least, resident);
      most = std::max(most, resident);
    }
    EXPECT_LE(static_cast<double>(most - least), 0.01 * static_cast<double>(least))
        << "resident set between " << least << " and " << most << " bytes";
  }
}

}  // namespace
}  // namespace ebb::test
