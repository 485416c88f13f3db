// SPDX-License-Identifier: Apache-2.0
// What is alive on each rank when the turn of a GAN's network begins, by the memory log.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "train/gan_run.h"

namespace ebb::test {
namespace {

TEST(GanMemory, TheGeneratorsTurnBeginsWithoutTheDiscriminatorsBytes) {
  const TinyRun tiny;
  make_gan_run(tiny);
  for (const char* name : {"residual", "dcgan"}) {
    const std::string architecture = name;
    const ProcessResult result =
        run(gan_command(tiny, 2, architecture,
                        {"model.architecture=" + architecture, "model.discriminator_steps=2",
                         "data.micro_batches=2", "run.evaluate_every=0", "run.sample_every=0"}));
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    for (const int rank : {0, 1}) {
      const auto lines = memory_lines(tiny.run_folder(architecture), rank);
      ASSERT_EQ(lines.size(), static_cast<std::size_t>(kSteps));
      for (std::size_t step = 0; step < lines.size(); ++step) {
        SCOPED_TRACE(architecture + ", rank " + std::to_string(rank) + ", step " + std::to_string(step));
        const nlohmann::json& discriminator = lines[step].at("phases").at("discriminator");
        const nlohmann::json& generator = lines[step].at("phases").at("generator");
        const nlohmann::json& start = generator.at("at_start");
        EXPECT_EQ(start.size(), 8U);  // all classes
        for (const char* cls : {"activations", "gradients"}) {
          EXPECT_GT(discriminator.at(cls).get<std::int64_t>(), 0) << cls;
          EXPECT_EQ(start.at(cls).get<std::int64_t>(), 0) << cls;
          EXPECT_EQ(discriminator.at("at_start").at(cls).get<std::int64_t>(), 0) << cls;
        }
        // Buffers that stay may be made in the first step. Later all classes are as at the step's start.
        if (step == 0) continue;
        EXPECT_EQ(discriminator.at("at_start"), lines[step - 1].at("live"));
        EXPECT_EQ(start, lines[step - 1].at("live"));
      }
    }
  }
}

}  // namespace
}  // namespace ebb::test
