// SPDX-License-Identifier: Apache-2.0
// `ebb launch --supervise` on the real program under a real mpirun: which failures it restarts, which it does
// not, and what it leaves for the next start.
#include <gmock/gmock.h>

#include <algorithm>

#include "launch/supervised.h"

namespace ebb::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(Supervised, AKilledRankIsRestartedFromTheCheckpointWithEqualBits) {
  const std::vector<std::string> steps = {"run.steps=300", "checkpoint.every=20",
                                          "telemetry.progress_every=200ms"};
  ASSERT_EQ(tiny_.train(2, "undisturbed", steps).exit_code, 0);
  Process launched(launch("killed", steps));
  const std::vector<pid_t> ranks = ranks_after_checkpoint(launched, "killed", 20);
  ASSERT_EQ(ranks.size(), 2U) << launched.out() << launched.err();
  ASSERT_EQ(::kill(ranks[1], SIGKILL), 0);
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("starting again in "), HasSubstr("(1 of 5 without a newer checkpoint)")));
  EXPECT_THAT(result.out, HasSubstr("resumes from step "));
  EXPECT_EQ(losses(tiny_.run_folder("killed")), losses(tiny_.run_folder("undisturbed")));
  EXPECT_EQ(checkpoint_tensors(tiny_.run_folder("killed")),
            checkpoint_tensors(tiny_.run_folder("undisturbed")));
  EXPECT_EQ(text_of(message_), "code 0 (done)\n");
}

TEST_F(Supervised, TheLimitOfRestartsWithoutProgressHolds) {
  auto overrides = kForever;
  overrides.emplace_back("checkpoint.every=0");
  Process launched(launch("lost", overrides, {"--restarts", "1"}));
  for (int times = 0; times < 2; ++times) {
    // A live second rank belongs to the current run: those of the previous one have ended.
    std::vector<pid_t> now;
    for (const auto end = Clock::now() + std::chrono::seconds(120); now.size() < 2 && Clock::now() < end;) {
      static_cast<void>(launched.wait_for_output("nothing prints this", std::chrono::milliseconds(100)));
      now = ranks(launched);
    }
    ASSERT_EQ(now.size(), 2U) << launched.err();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    ::kill(now[0], SIGKILL);
    if (times == 0) {
      ASSERT_TRUE(launched.wait_for_output("starting again", std::chrono::seconds(120))) << launched.err();
    }
  }
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 5) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("not started again: 1 restart in a row brought no newer checkpoint"));
  EXPECT_THAT(text_of(message_), HasSubstr("code 5 (communication), rank "));
  EXPECT_FALSE(fs::exists(tiny_.run_folder("lost") + "/verdict.json")) << "another try may succeed";
}

TEST_F(Supervised, AStopOfOneRankIsRestarted) {
  Process launched(
      launch("preempted", {"run.steps=400", "checkpoint.every=0", "telemetry.progress_every=200ms"}));
  ASSERT_TRUE(launched.wait_for_output("step ")) << launched.out() << launched.err();
  const std::vector<pid_t> before = ranks(launched);
  ASSERT_EQ(before.size(), 2U);
  ::kill(before[1], SIGUSR1);  // as a worker's preStop does
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("a rank was asked to stop"));
  EXPECT_THAT(result.out, HasSubstr("resumes from step "));
}

class SupervisedStop : public Supervised, public ::testing::WithParamInterface<int> {};

TEST_P(SupervisedStop, ReachesTheRanksAndIsFinal) {
  Process launched(launch("stopped", kForever));
  ASSERT_TRUE(launched.wait_for_output("step ")) << launched.out() << launched.err();
  // A scheduler may ask twice.
  launched.signal(GetParam());
  if (GetParam() != SIGINT) launched.signal(SIGTERM);
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 75) << result.out << result.err;
  EXPECT_THAT(result.out + result.err, HasSubstr("checkpoint saved"));
  EXPECT_THAT(result.err, Not(HasSubstr("starting again")));
  EXPECT_EQ(text_of(message_), "code 75 (stopped, checkpoint saved)\n");
}
INSTANTIATE_TEST_SUITE_P(Signals, SupervisedStop, ::testing::Values(SIGTERM, SIGUSR1, SIGINT));

TEST_F(Supervised, AStopInThePauseEndsAtOnce) {
  std::vector<std::string> argv = launch("paused", kForever, {"--restarts", "3"});
  argv[std::ranges::find(argv, "100ms") - argv.begin()] = "1h";
  Process launched(argv);
  ASSERT_TRUE(launched.wait_for_output("step ")) << launched.out() << launched.err();
  ::kill(ranks(launched).at(0), SIGKILL);
  ASSERT_TRUE(launched.wait_for_output("starting again in 1h")) << launched.err();
  const auto start = Clock::now();
  launched.signal(SIGTERM);
  EXPECT_EQ(launched.wait().exit_code, 75) << launched.err();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(10)) << "it waited";
  EXPECT_THAT(launched.err(), HasSubstr("stopped while no rank was running"));
}

TEST_F(Supervised, AFinalFailureIsReportedAgainUntilAttemptOrConfigurationChange) {
  const std::vector<std::string> damaged = {"data.source=" + (tiny_.folder() / "broken")};
  fs::copy(fs::path(tiny_.folder() / "data"), fs::path(tiny_.folder() / "broken"),
           fs::copy_options::recursive);
  std::ofstream(fs::path(tiny_.folder() / "broken") / "train" / "index.json") << "{";
  const ProcessResult first = run(launch("damaged", damaged, {"--attempt", "7"}));
  ASSERT_EQ(first.exit_code, 3) << first.err;
  EXPECT_THAT(first.err, Not(HasSubstr("starting again")));
  const auto stored = nlohmann::json::parse(text_of(tiny_.run_folder("damaged") + "/verdict.json"));
  EXPECT_EQ(stored.at("code"), 3);
  EXPECT_EQ(stored.at("attempt"), "7");
  EXPECT_EQ(stored.at("rank"), 0);
  EXPECT_NE(stored.at("host"), "");
  EXPECT_THAT(stored.at("message").get<std::string>(), HasSubstr("index.json"));
  EXPECT_THAT(text_of(message_), AllOf(HasSubstr("code 3 (data), rank 0 on "), HasSubstr("index.json")));

  // Fixed or not, the same attempt of the same job is not repeated: mpirun's command line is not even
  // printed.
  fs::copy(fs::path(tiny_.folder() / "data"), fs::path(tiny_.folder() / "broken"),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  fs::remove(message_);
  ProcessOptions by_environment;
  by_environment.environment["EBB_ATTEMPT"] = "7";
  const ProcessResult again = run(launch("damaged", damaged), by_environment);
  EXPECT_EQ(again.exit_code, 3) << again.err;
  EXPECT_EQ(again.out, "");
  EXPECT_THAT(again.err, AllOf(HasSubstr("attempt 7 ended on "), HasSubstr("index.json")));
  EXPECT_THAT(text_of(message_), AllOf(HasSubstr("code 3 (data), rank 0 on "), HasSubstr("index.json")));

  auto changed = damaged;
  changed.emplace_back("optimizer.lr=0.02");
  EXPECT_EQ(run(launch("damaged", changed, {"--attempt", "7"})).exit_code, 0) << "another configuration";
  EXPECT_FALSE(fs::exists(tiny_.run_folder("damaged") + "/verdict.json")) << "it has succeeded since";
}

TEST_F(Supervised, AnotherAttemptIsTried) {
  fs::create_directories(tiny_.run_folder("tried"));
  const std::vector<std::string> nowhere = {"data.source=/nowhere/at/all"};
  const int code = run(launch("tried", nowhere)).exit_code;
  ASSERT_TRUE(fs::exists(tiny_.run_folder("tried") + "/verdict.json"));
  const ProcessResult other = run(launch("tried", nowhere, {"--attempt", "2"}));
  EXPECT_EQ(other.exit_code, code);
  EXPECT_THAT(other.out, HasSubstr("mpirun")) << "attempt 2 was not started";
  // The verdict now belongs to attempt 2, with two ranks.
  EXPECT_EQ(run(launch("tried", nowhere, {"--attempt", "2"})).out, "");
  auto alone = launch("tried", nowhere, {"--attempt", "2"});
  alone[std::ranges::find(alone, "-n") - alone.begin() + 1] = "1";
  EXPECT_THAT(run(alone).out, HasSubstr("mpirun")) << "another number of ranks is another job";
}

// A new launcher appears while the old one is still saving.
TEST_F(Supervised, ASecondLauncherWaitsForTheSaveAndResumesFromIt) {
  const std::vector<std::string> steps = {"run.steps=1000000", "checkpoint.every=0",
                                          "telemetry.progress_every=200ms"};
  Process first(launch("one-writer", steps));
  ASSERT_TRUE(first.wait_for_output("step ")) << first.out() << first.err();
  Process second(launch("one-writer", steps));
  ASSERT_TRUE(second.wait_for_output("held by process")) << second.out() << second.err();
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait().exit_code, 75) << first.err();
  const auto at = first.out().find("stopped after step ");
  ASSERT_NE(at, std::string::npos) << first.out();
  const int step = std::stoi(first.out().substr(at + std::string("stopped after step ").size()));
  const std::string digits = std::to_string(step);
  EXPECT_TRUE(
      second.wait_for_output("checkpoints/step-" + std::string(8 - digits.size(), '0') + digits + ")"))
      << second.out() << second.err();
  second.signal(SIGTERM);
  EXPECT_EQ(second.wait().exit_code, 75) << second.err();
}

// The old launcher is killed during a save, as after the grace period of its pod.
TEST_F(Supervised, AfterALauncherKilledInASaveTheNextResumesFromACompleteCheckpoint) {
  const std::vector<std::string> steps = {"run.steps=100000", "checkpoint.every=3",
                                          "telemetry.progress_every=200ms", "model.hidden=60000"};
  Process first(launch("half-saved", steps));
  (void)ranks_after_checkpoint(first, "half-saved", 3);
  Process second(launch("half-saved", steps));
  ASSERT_TRUE(second.wait_for_output("held by process")) << second.out() << second.err();
  const fs::path folder = fs::path(tiny_.run_folder("half-saved")) / "checkpoints";
  bool in_save = false;
  for (const auto end = Clock::now() + std::chrono::seconds(120); !in_save && Clock::now() < end;) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none))
      in_save = in_save || entry.path().extension() == ".partial";
  }
  ASSERT_TRUE(in_save) << "no save in progress was seen";
  const std::vector<pid_t> ranks_before = ranks(first);
  first.signal(SIGKILL);
  for (const pid_t rank : ranks_before) ::kill(rank, SIGKILL);
  first.wait();
  EXPECT_TRUE(second.wait_for_output("resumes from step ", std::chrono::seconds(90)))
      << second.out() << second.err();
  second.signal(SIGTERM);
  EXPECT_EQ(second.wait().exit_code, 75) << second.out() << second.err();
  for (const auto& entry : fs::directory_iterator(folder))
    EXPECT_TRUE(fs::exists(entry.path() / "DONE")) << entry.path() << " is not a complete checkpoint";
}

}  // namespace
}  // namespace ebb::test
