// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "config/example_config.h"

namespace ebb::config {
namespace {

using ::testing::HasSubstr;

constexpr const char* kFile = "run: {name: vae, steps: 10}\n";

TEST_F(ConfigTest, OverridesAreAppliedAfterTheFileAndTheLastOneWins) {
  const ExampleConfig config = load_text(
      kFile, {"optimizer.lr=3e-4", "run.steps=20", "run.steps=30", "optimizer.schedule.kind=constant"});
  EXPECT_EQ(config.run.name, "vae");
  EXPECT_EQ(config.run.steps, 30);
  EXPECT_EQ(config.optimizer.lr, 3e-4);
  EXPECT_EQ(config.optimizer.schedule.kind, ScheduleConfig::Kind::constant);
}

TEST_F(ConfigTest, AnOverrideReplacesAnInvalidValue) {
  EXPECT_EQ(load_text("run: {name: x, steps: 0}", {"run.steps=5"}).run.steps, 5);
  EXPECT_EQ(load_text("", {"run.name=given"}).run.name, "given") << "and counts for a required key";
}

TEST_F(ConfigTest, OverriddenTextIsTakenLiterally) {
  EXPECT_EQ(load_text(kFile, {"run.name=a: b #c = d"}).run.name, "a: b #c = d");
  EXPECT_EQ(load_text(kFile, {"run.name=[x]"}).run.name, "[x]");
  EXPECT_EQ(load_text(kFile, {"run.name=\"a\\x41b\""}).run.name, "aAb") << "quotes are YAML's";
  EXPECT_EQ(load_text(kFile, {"run.name=' a '"}).run.name, " a ");
  EXPECT_EQ(load_text(kFile, {"run.name="}).run.name, "");
}

TEST_F(ConfigTest, RefusedOverridesAreNamed) {
  EXPECT_EQ(refusal(kFile, {"optimizer.rl=1"}),
            "override `optimizer.rl=1`: key `optimizer.rl`: unknown; did you mean `optimizer.lr`?");
  EXPECT_EQ(refusal(kFile, {"optimzer.lr=1"}),
            "override `optimzer.lr=1`: key `optimzer.lr`: unknown; did you mean `optimizer.lr`?");
  EXPECT_EQ(refusal(kFile, {"run.steps=1e3"}),
            "override `run.steps=1e3`: key `run.steps`: `1e3` is written as a real number; an integer is "
            "written with "
            "digits only: 1000; allowed: an integer at least 1 and at most 1000000");
  EXPECT_EQ(refusal(kFile, {"run.steps"}), "override `run.steps`: not of the form key.path=value");
  EXPECT_EQ(refusal(kFile, {"=3"}), "override `=3`: not of the form key.path=value");
  EXPECT_EQ(refusal(kFile, {"memory={}"}),
            "override `memory={}`: key `memory`: is a section with the keys bucket, "
            "budget, micro_batch, timeout; override one of them");
  EXPECT_EQ(refusal(kFile, {"run.name.first=x"}),
            "override `run.name.first=x`: key `run.name.first`: unknown; "
            "`run.name` is a value and has no keys below it");
  EXPECT_EQ(refusal(kFile, {"run.name=null"}),
            "override `run.name=null`: key `run.name`: `null` is not a value; allowed: text");
  EXPECT_THAT(refusal(kFile, {"run.name='open"}), HasSubstr("override `run.name='open`"));
}

}  // namespace
}  // namespace ebb::config
