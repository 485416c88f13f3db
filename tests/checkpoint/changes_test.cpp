// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::checkpoint {

bool operator==(const Change& a, const Change& b) {
  return a.key == b.key && a.saved == b.saved && a.present == b.present;
}

namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Manifest saved_with(ConfigValues values) {
  Manifest manifest;
  manifest.mathematical = std::move(values);
  return manifest;
}

TEST(Changes, AreTheKeysWithOtherValuesInTheOrderOfTheRun) {
  const Manifest saved = saved_with({{"a", "1"}, {"b", "2"}, {"gone", "3"}, {"now_free", "4"}});
  RunConfiguration run{{{"new", "7"}, {"b", "5"}, {"a", "1"}, {"defaulted", "6"}}, ""};
  run.defaults = {{"new", "8"}, {"defaulted", "6"}};
  run.free_keys = {"now_free"};
  EXPECT_THAT(changes_between(saved, run),
              ElementsAre(Change{"new", "", "7"}, Change{"b", "2", "5"}, Change{"gone", "3", ""}));
  EXPECT_THAT(changes_between(saved_with(run.mathematical), run), IsEmpty());
}

TEST(Changes, OfAKeyThatFollowsAnotherAreThoseOfTheOther) {
  const Manifest saved = saved_with({{"lr", "1"}, {"x.lr", "1"}, {"y.lr", "1"}, {"z.lr", "3"}});
  RunConfiguration run{{{"lr", "2"}, {"x.lr", "2"}, {"y.lr", "5"}, {"z.lr", "2"}}, ""};
  run.follows = {{"x.lr", "lr"}, {"y.lr", "lr"}, {"z.lr", "lr"}};
  EXPECT_THAT(changes_between(saved, run),
              ElementsAre(Change{"lr", "1", "2"}, Change{"y.lr", "1", "5"}, Change{"z.lr", "3", "2"}));
}

TEST(Changes, AreAllowedByTheKeyOrASectionAboveIt) {
  EXPECT_TRUE(is_allowed({"run.steps"}, "run.steps"));
  EXPECT_TRUE(is_allowed({"x", "optimizer"}, "optimizer.schedule.kind"));
  EXPECT_FALSE(is_allowed({"optimizer.l"}, "optimizer.lr"));
  EXPECT_FALSE(is_allowed({"optimizer.lr"}, "optimizer"));
  EXPECT_FALSE(is_allowed({}, "run.steps"));
}

// The message that refuses changes of these keys, from 1 to 2; empty if they are accepted.
std::string refusal(const std::vector<std::string>& keys, RunConfiguration run) {
  std::vector<Change> changes;
  for (const std::string& key : keys) changes.push_back({key, "1", "2"});
  run.all_keys = {"run.steps", "optimizer.lr", "model.width"};
  run.shaping_keys = {"model.width"};
  try {
    require_allowed(changes, run, run.allowed, "F");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

TEST(RefusedChanges, HaveTheListThatAcceptsThem) {
  RunConfiguration run;
  EXPECT_EQ(refusal({}, run), "");
  EXPECT_EQ(refusal({"run.steps", "optimizer.lr"}, run),
            "F was saved with a configuration that is mathematically different:\n"
            "  run.steps: saved with 1, now 2\n"
            "  optimizer.lr: saved with 1, now 2\n"
            "Start again in a new folder: checkpoint.resume=never run.name=...\n"
            "Or resume from it with these changes: checkpoint.allow=[run.steps,optimizer.lr]\n"
            "Or resume from it with any change: checkpoint.resume=force");
  run.allowed = {"run.steps"};
  EXPECT_THAT(refusal({"run.steps", "optimizer.lr"}, run),
              AllOf(Not(HasSubstr("run.steps: saved")),
                    HasSubstr("with this change: checkpoint.allow=[run.steps,optimizer.lr]\n")));
  run.allowed = {"run.steps", "optimizer"};
  EXPECT_EQ(refusal({"run.steps", "optimizer.lr"}, run), "");
}

TEST(RefusedChanges, HaveTheAdviceForTheirKey) {
  RunConfiguration run;
  run.advice["run.steps"] = "Think first.";
  EXPECT_THAT(refusal({"run.steps"}, run),
              HasSubstr("\n  run.steps: saved with 1, now 2\n    Think first.\n"));
}

TEST(RefusedChanges, ThatNoTensorsFitCannotBeAccepted) {
  RunConfiguration run;
  run.allowed = {"model", "optimizer.lr"};
  EXPECT_THAT(refusal({"model.width", "optimizer.lr"}, run),
              AllOf(HasSubstr("\n  model.width: saved with 1, now 2; the saved tensors depend on it\n"),
                    Not(HasSubstr("optimizer.lr: saved")), EndsWith("run.name=...")));
}

TEST(RefusedChanges, ThatNoKeyNamesNeedForce) {
  EXPECT_THAT(refusal({"contents of data.source", "run.steps"}, {}),
              AllOf(HasSubstr("\n  contents of data.source: saved with 1, now 2\n"),
                    Not(HasSubstr("checkpoint.allow")), EndsWith("checkpoint.resume=force")));
}

}  // namespace
}  // namespace ebb::checkpoint
