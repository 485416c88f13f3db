// SPDX-License-Identifier: Apache-2.0
// Runs that resume with another configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "train/gan_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Overrides = std::vector<std::string>;

const char* const kConstant = "optimizer.schedule.kind=constant";

Overrides operator+(Overrides all, const Overrides& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

class ResumeChange : public testing::Test {
 protected:
  // A run of six steps, and the same with twelve, without an interruption.
  void make(const Overrides& settings) {
    settings_ = settings;
    ASSERT_EQ(tiny_.train(1, "run", settings_ + Overrides{"run.steps=6"}).exit_code, 0);
    ASSERT_EQ(tiny_.train(1, "whole", settings_ + Overrides{"run.steps=12"}).exit_code, 0);
  }
  [[nodiscard]] ProcessResult go_on(const Overrides& more, int steps = 12, int ranks = 1) const {
    return tiny_.train(ranks, "run", settings_ + Overrides{"run.steps=" + std::to_string(steps)} + more);
  }
  void expect_refused(const Overrides& more, const std::vector<std::string>& words, int steps = 12) const {
    const ProcessResult result = go_on(more, steps);
    EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
    for (const std::string& word : words) EXPECT_THAT(result.err, HasSubstr(word));
    EXPECT_EQ(losses(run_).size(), 6U);
  }
  // Step -> learning rate.
  [[nodiscard]] std::map<int, double> rates(const std::string& name) const {
    std::map<int, double> all;
    for (const nlohmann::json& line : json_lines(tiny_.run_folder(name) + "/metrics.jsonl"))
      if (line.contains("loss")) all[line.at("step").get<int>()] = line.at("lr").get<double>();
    return all;
  }
  [[nodiscard]] std::vector<nlohmann::json> changes() const {
    std::vector<nlohmann::json> all;
    for (const nlohmann::json& line : json_lines(run_ + "/metrics.jsonl"))
      if (line.contains("changed")) all.push_back(line);
    return all;
  }
  void expect_equal_to_the_whole_run() const {
    EXPECT_EQ(losses(run_), losses(tiny_.run_folder("whole")));
    EXPECT_EQ(checkpoint_tensors(run_), checkpoint_tensors(tiny_.run_folder("whole")));
  }

  TinyRun tiny_;
  std::string run_ = tiny_.run_folder("run");
  Overrides settings_;
};

nlohmann::json change(const std::string& key, const std::string& before, const std::string& now) {
  return {{"step", 6}, {"changed", {{key, {{"before", before}, {"now", now}}}}}};
}

TEST_F(ResumeChange, ToMoreStepsNeedsNothingWhereTheScheduleDoesNotFollowThem) {
  for (const char* schedule : {kConstant, "optimizer.schedule.samples=320"}) {
    for (const char* name : {"run", "whole"}) fs::remove_all(tiny_.run_folder(name));
    make({schedule});
    const ProcessResult result = go_on({});
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, AllOf(HasSubstr("resumes from step 6 "), HasSubstr("\n  run.steps: 6 -> 12\n")));
    EXPECT_THAT(changes(), ElementsAre(change("run.steps", "6", "12")));
    expect_equal_to_the_whole_run();
  }
}

TEST_F(ResumeChange, ToMoreStepsSaysHowToGoOnWhereTheScheduleFollowsThem) {
  make({});
  const std::string keep = "optimizer.schedule.samples=192",
                    allow_keep = "checkpoint.allow=[optimizer.schedule.samples]";
  expect_refused({}, {"run.steps: saved with 6, now 12",
                      "The learning rate's schedule ends with the run, so it would change. To keep it: " +
                          keep + " " + allow_keep + "\n",
                      "with this change: checkpoint.allow=[run.steps]\n"});
  fs::copy(run_, tiny_.run_folder("copy"), fs::copy_options::recursive);
  ASSERT_EQ(go_on({"checkpoint.allow=[run.steps]"}).exit_code, 0);
  const auto stretched = rates("run"), whole = rates("whole");
  EXPECT_NE(stretched.at(5), whole.at(5));
  for (int step = 6; step < 12; ++step) EXPECT_EQ(stretched.at(step), whole.at(step));

  fs::remove_all(run_);
  fs::rename(tiny_.run_folder("copy"), run_);
  ASSERT_EQ(go_on({keep, allow_keep}).exit_code, 0);
  const auto kept = rates("run");
  EXPECT_EQ(kept.at(5), 0) << "the end of a cosine";
  for (int step = 6; step < 12; ++step) EXPECT_EQ(kept.at(step), 0);
}

TEST_F(ResumeChange, ToFewerStepsIsRefused) {
  make({kConstant});
  expect_refused({}, {"run.steps: saved with 6, now 4", "checkpoint.allow=[run.steps]"}, 4);
}

TEST_F(ResumeChange, OfAnotherKeyIsRefusedWithWhatAcceptsIt) {
  make({kConstant});
  expect_refused({"optimizer.lr=0.02", "data.shuffle=false", "checkpoint.allow=[optimizer.beta1]"},
                 {"optimizer.lr: saved with 0.01, now 0.02", "data.shuffle: saved with true, now false",
                  "checkpoint.allow=[optimizer.beta1,data.shuffle,optimizer.lr]\n"});
  const ProcessResult result = go_on({"optimizer.lr=0.02", "data.shuffle=false",
                                      "checkpoint.allow=[optimizer.beta1,data.shuffle,optimizer.lr]"});
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("\n  data.shuffle: true -> false\n"),
                                HasSubstr("\n  optimizer.lr: 0.01 -> 0.02\n")));
  ASSERT_EQ(changes().size(), 1U);
  EXPECT_EQ(changes()[0].at("changed").size(), 3U) << changes()[0];
  EXPECT_EQ(rates("run").at(5), 0.01);
  EXPECT_EQ(rates("run").at(6), 0.02);
  // The change is in the checkpoint now.
  fs::remove(run_ + "/results.json");
  const ProcessResult again = go_on({"optimizer.lr=0.02", "data.shuffle=false"}, 14);
  EXPECT_EQ(again.exit_code, 0) << again.out << again.err;
  EXPECT_THAT(again.out, Not(HasSubstr("optimizer.lr: ")));
}

TEST_F(ResumeChange, OfASectionAcceptsItsKeysOnly) {
  make({kConstant});
  const Overrides changed = {"optimizer.lr=0.02", "optimizer.schedule.warmup_steps=8",
                             "checkpoint.allow=[optimizer]"};
  expect_refused(changed + Overrides{"data.shuffle=false"},
                 {"data.shuffle: saved with true", "checkpoint.allow=[optimizer,data.shuffle]\n"});
  const ProcessResult result = go_on(changed, 12, 2);
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("\n  optimizer.schedule.warmup_steps: 5 -> 8\n"));
}

TEST_F(ResumeChange, OfWhatTheTensorsDependOnIsRefusedThoughListed) {
  make({kConstant});
  for (const char* key : {"model.width=16", "model.hidden=64", "precision.dtype=fp32"}) {
    const std::string name = std::string(key).substr(0, std::string(key).find('='));
    const ProcessResult result = go_on({key, "checkpoint.allow=[model,precision]"});
    EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
    EXPECT_THAT(result.err,
                AllOf(HasSubstr(name + ": saved with "), HasSubstr("; the saved tensors depend on it"),
                      Not(HasSubstr("checkpoint.allow")), Not(HasSubstr("force"))));
  }
}

TEST_F(ResumeChange, OfTheBatchMayNeedOtherMicroBatches) {
  make({kConstant, "data.micro_batches=4"});
  const Overrides other = {"data.micro_batches=auto", "data.batch=30"};
  expect_refused(other + Overrides{"checkpoint.allow=[data.batch]"},
                 {"a batch of 30 does not divide into these on 1 ranks",
                  "set checkpoint.allow=[data.batch,data.micro_batches], which chooses again"});
  const ProcessResult result = go_on(other + Overrides{"checkpoint.allow=[data.batch,data.micro_batches]"});
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("\n  data.batch: 32 -> 30\n"), HasSubstr("\n  data.micro_batches: 4 -> 1\n")));
}

TEST_F(ResumeChange, OfTheListAloneIsNone) {
  make({kConstant});
  fs::remove_all(run_);
  fs::copy(tiny_.run_folder("whole"), run_, fs::copy_options::recursive);
  fs::remove(run_ + "/results.json");
  fs::remove_all(run_ + "/checkpoints/step-00000012");
  const ProcessResult result = go_on({"checkpoint.allow=[run.steps,optimizer,model]"});
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("resumes from step 10 "), Not(HasSubstr(" -> "))));
  EXPECT_THAT(changes(), IsEmpty());
  expect_equal_to_the_whole_run();
}

TEST_F(ResumeChange, ByForceIsSaidToo) {
  make({kConstant});
  const ProcessResult result = go_on({"optimizer.lr=0.02", "checkpoint.resume=force"}, 6);
  EXPECT_EQ(result.exit_code, 0) << "its results are there";
  fs::remove(run_ + "/results.json");
  ASSERT_EQ(go_on({"optimizer.lr=0.02", "checkpoint.resume=force"}, 6).exit_code, 0);
  EXPECT_THAT(changes(), ElementsAre(change("optimizer.lr", "0.01", "0.02")));
}

// The rollback removes the line, which is then written again.
TEST_F(ResumeChange, IsSaidAgainAfterARollback) {
  make({kConstant});
  const ProcessResult result =
      go_on({"optimizer.lr=1e4", "optimizer.clip_norm=1e9", "checkpoint.allow=[optimizer]",
             "run.on_divergence=rollback", "checkpoint.every=1000"},
            400);
  EXPECT_EQ(result.exit_code, 6) << result.out << result.err;
  const auto lines = json_lines(run_ + "/metrics.jsonl");
  ASSERT_GE(lines.size(), 9U);  // six steps and their evaluation are first
  EXPECT_TRUE(lines[7].contains("rollback")) << lines[7];
  EXPECT_EQ(lines[8].at("changed").at("optimizer.lr").at("now"), "10000") << lines[8];
}

TEST(ResumeChangeOfAGan, IsOneOfTheCommonSection) {
  const TinyRun tiny;
  make_gan_run(tiny);
  const auto train = [&](const Overrides& more) {
    return run(gan_command(tiny, 1, "gan", Overrides{"run.samples=false", "run.sample_every=0"} + more));
  };
  ASSERT_EQ(train({"run.steps=3"}).exit_code, 0);
  const ProcessResult longer = train({"run.steps=4"});
  EXPECT_EQ(longer.exit_code, 2) << longer.out << longer.err;
  EXPECT_THAT(longer.err, HasSubstr("To keep it: discriminator.optimizer.schedule.samples=48 "
                                    "generator.optimizer.schedule.samples=48 checkpoint.allow="
                                    "[discriminator.optimizer.schedule.samples,"
                                    "generator.optimizer.schedule.samples]\n"));
  const ProcessResult changed = train({"run.steps=4", kConstant, "optimizer.lr=0.001"});
  EXPECT_EQ(changed.exit_code, 2) << changed.out << changed.err;
  EXPECT_THAT(changed.err, HasSubstr("checkpoint.allow=[optimizer.lr,optimizer.schedule.kind]\n"));
  const ProcessResult allowed =
      train({"run.steps=4", kConstant, "optimizer.lr=0.001", "checkpoint.allow=[optimizer]"});
  EXPECT_EQ(allowed.exit_code, 0) << allowed.out << allowed.err;
  EXPECT_THAT(allowed.out,
              AllOf(HasSubstr("\n  optimizer.lr: 0.002 -> 0.001\n"), HasSubstr("\n  run.steps: 3 -> 4\n"),
                    Not(HasSubstr("generator.optimizer.lr"))));
}

}  // namespace
}  // namespace ebb::test
