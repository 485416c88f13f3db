// SPDX-License-Identifier: Apache-2.0
// Compares the memory log of a real run on two ranks with an independent count: tests/memory/malloc_shim.cpp
// wraps malloc in each rank and writes a line for each line of the log. All stages are covered: a line is
// written after the step's reduction, save and evaluation.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

TEST(IndependentRun, EveryLineOfEveryRankHasWhatIsAliveToTheByte) {
  const TinyRun tiny;
  const std::string log = tiny.folder() / "shim";
  ProcessOptions options;
  options.environment = {{"LD_PRELOAD", std::getenv("EBB_MALLOC_SHIM")}, {"EBB_SHIM_LOG", log}};
  const ProcessResult result = run(
      tiny.command(2, "counted", {"run.steps=20", "run.evaluate_every=5", "checkpoint.every=7"}), options);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const int rank : {0, 1}) {
    SCOPED_TRACE(rank);
    const auto lines = memory_lines(tiny.run_folder("counted"), rank);
    std::ifstream counts(log + "." + std::to_string(rank));
    std::vector<std::int64_t> counted;
    for (std::int64_t bytes = 0; counts >> bytes;) counted.push_back(bytes);
    ASSERT_EQ(lines.size(), 20U);
    ASSERT_EQ(counted.size(), lines.size());
    for (std::size_t step = 0; step < lines.size(); ++step) {
      EXPECT_EQ(lines[step].at("live_total"), counted[step]) << "step " << step;
      std::int64_t sum = 0;
      for (const auto& [name, bytes] : lines[step].at("live").items()) sum += bytes.get<std::int64_t>();
      EXPECT_EQ(lines[step].at("live_total"), sum) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace ebb::test
