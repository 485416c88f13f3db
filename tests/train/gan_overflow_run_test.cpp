// SPDX-License-Identifier: Apache-2.0
// What the screen and metrics.jsonl of a run say about an overflow of a GAN's gradients.
#include <gmock/gmock.h>

#include <regex>
#include <string>
#include <vector>

#include "train/gan_run.h"

namespace ebb::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The text without its line breaks.
std::string in_one_line(const std::string& text) {
  return std::regex_replace(text, std::regex("\\s+"), " ");
}

// In the first step the gradient of R2 is too large for fp16. On two ranks both repeat the step for it.
TEST(GanOverflowRun, ScreenAndMetricsNameNetworkTermAndParameter) {
  const TinyRun tiny;
  make_gan_run(tiny);
  for (const int ranks : {1, 2}) {
    SCOPED_TRACE(std::to_string(ranks) + " ranks");
    const std::string name = "overflow-" + std::to_string(ranks);
    const ProcessResult result =
        run(gan_command(tiny, ranks, name,
                        {"precision.dtype=fp16", "precision.loss_scale.initial=1", "model.penalty.r2=1e9",
                         "model.penalty.final_ratio=1", "data.micro_batches=2", "run.evaluate_every=0",
                         "run.sample_every=0", "run.steps=2", "memory.leak=error"}));
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const auto lines = json_lines(tiny.run_folder(name) + "/metrics.jsonl");
    const nlohmann::json& line = lines.at(0);
    const nlohmann::json& discriminator = line.at("phases").at("discriminator");
    EXPECT_EQ(discriminator.at("overflowed_by"), nlohmann::json::array({"r2"}));
    EXPECT_EQ(line.at("overflowed_by"), nlohmann::json::array({"r2"}));
    const std::string parameter = discriminator.at("overflowed").get<std::string>();
    EXPECT_THAT(parameter, StartsWith("discriminator."));
    EXPECT_EQ(line.at("overflowed"), parameter);
    EXPECT_FALSE(discriminator.contains("overflowed_term"));
    EXPECT_THAT(in_one_line(result.out),
                HasSubstr("step 0 of discriminator skipped: the gradient of the term r2 with respect to " +
                          parameter + " overflowed at loss scale 1 "));
  }
}

// No scale is low enough: the run ends, and says by what.
TEST(GanOverflowRun, ARunThatEndsByItNamesThemToo) {
  const TinyRun tiny;
  make_gan_run(tiny);
  const ProcessResult result = run(gan_command(
      tiny, 2, "diverged",
      {"precision.dtype=fp16", "precision.loss_scale.initial=1", "precision.loss_scale.floor=0.5",
       "model.penalty.r2=1e9", "model.penalty.final_ratio=1", "run.evaluate_every=0", "run.sample_every=0"}));
  EXPECT_EQ(result.exit_code, 6) << result.out << result.err;
  EXPECT_THAT(result.err,
              HasSubstr("The last overflow is that of the gradient of the term r2 with respect to "
                        "discriminator."));
  EXPECT_THAT(in_one_line(result.err), HasSubstr("(phase discriminator)"));
}

}  // namespace
}  // namespace ebb::test
