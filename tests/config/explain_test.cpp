// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "config/example_config.h"

namespace ebb::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() { config_.describe(root_); }
  [[nodiscard]] std::string refusal(const std::string& key) const {
    try {
      return "not refused: " + explain(root_, key);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
  }

  ExampleConfig config_;
  Section root_;
};

TEST_F(ExplainTest, ExplainsAKey) {
  EXPECT_EQ(explain(root_, "optimizer.schedule.warmup_steps"),
            "optimizer.schedule.warmup_steps\n"
            "  Steps until the peak rate.\n"
            "  allowed: an integer at least 0, in steps\n"
            "  default: 100\n"
            "  a resumed run has to keep it\n");
  EXPECT_EQ(explain(root_, "memory.timeout"),
            "memory.timeout\n"
            "  Of one collective.\n"
            "  allowed: a duration such as 300s above 0s\n"
            "  default: 300s\n"
            "  a resumed run may change it\n");
  EXPECT_THAT(explain(root_, "run.name"), HasSubstr("default: none, it has to be given"));
  EXPECT_THAT(explain(root_, "optimizer.schedule.kind"), HasSubstr("allowed: constant, cosine"));
  EXPECT_EQ(explain(root_, "checkpoint.allow"),
            "checkpoint.allow\n"
            "  allowed: a list of keys and sections such as [run.steps, optimizer]\n"
            "  default: []\n"
            "  a resumed run may change it\n");
}

TEST_F(ExplainTest, ExplainsAllKeysOfASection) {
  const std::string text = explain(root_, "optimizer");
  EXPECT_THAT(text, StartsWith("optimizer\n  Steps the weights.\n\noptimizer.lr\n"));
  EXPECT_THAT(text, HasSubstr("\noptimizer.schedule\n  How the learning rate changes.\n"));
  EXPECT_THAT(text, HasSubstr("\noptimizer.schedule.kind\n"));
  EXPECT_THAT(text, Not(HasSubstr("run.name")));
}

TEST_F(ExplainTest, AnEmptyKeyExplainsEverything) {
  const std::string text = explain(root_, "");
  EXPECT_THAT(text, StartsWith("run\n"));
  EXPECT_THAT(text, HasSubstr("\nmemory.timeout\n"));
}

TEST_F(ExplainTest, TheDefaultIsTheValueBeforeLoading) {
  config_.optimizer.lr = 5;
  EXPECT_THAT(explain(root_, "optimizer.lr"), HasSubstr("default: 0.001"));
}

TEST_F(ExplainTest, RefusesUnknownKeysAndSuggestsTheNearest) {
  EXPECT_EQ(refusal("optimizer.rl"), "key `optimizer.rl`: unknown; did you mean `optimizer.lr`?");
  EXPECT_EQ(refusal("warmup_steps"),
            "key `warmup_steps`: unknown; did you mean `optimizer.schedule.warmup_steps`?");
  EXPECT_EQ(refusal("run.name.x"),
            "key `run.name.x`: unknown; `run.name` is a value and has no keys below it");
}

}  // namespace
}  // namespace ebb::config
