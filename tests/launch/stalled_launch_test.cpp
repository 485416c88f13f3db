// SPDX-License-Identifier: Apache-2.0
// Ranks that all stand still, in the real program: `ebb launch` notices it and ends the run.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "launch/supervised.h"

namespace ebb::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kHeartbeat = "ebb-heartbeat";
const std::string kStep = ": step [0-9]+, stage [a-z]+, for [0-9.]+s";

std::vector<std::string> with_stall(const std::string& limit, std::vector<std::string> more = kForever) {
  more.push_back("launch.stall=" + limit);
  return more;
}

class StalledLaunch : public Supervised {
 protected:
  std::vector<std::string> unsupervised(const std::string& name,
                                        const std::vector<std::string>& overrides) const {
    std::vector<std::string> argv = tiny_.launch(name, overrides);
    argv.insert(argv.begin() + 2, {"--termination-message", message_});
    return argv;
  }
  // Stops all ranks, but not mpirun. Returns them.
  static std::vector<pid_t> stop_ranks(const Process& launched) {
    std::vector<pid_t> stopped = ranks(launched);
    EXPECT_EQ(stopped.size(), 2U) << launched.out() << launched.err();
    for (const pid_t rank : stopped) EXPECT_EQ(::kill(rank, SIGSTOP), 0);
    return stopped;
  }
};

TEST_F(StalledLaunch, StoppedRanksAreNamedAndEndedWithCode8) {
  Process launched(unsupervised("stopped", with_stall("3s")));
  ASSERT_TRUE(launched.wait_for_output("step ")) << launched.out() << launched.err();
  std::this_thread::sleep_for(std::chrono::seconds(2));  // each rank reports its steps in this time
  const std::vector<pid_t> stopped = stop_ranks(launched);
  const auto start = Clock::now();
  const ProcessResult& result = launched.wait();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(45));
  EXPECT_EQ(result.exit_code, 8) << result.out << result.err;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("no rank has made progress for 3.0s (launch.stall): ending the run"),
                    ContainsRegex("rank 0 on [^:]+" + kStep), ContainsRegex("rank 1 on [^:]+" + kStep)));
  for (const pid_t rank : stopped) EXPECT_FALSE(is_alive(rank));
  EXPECT_THAT(text_of(message_), AllOf(HasSubstr("code 8 (storage): no rank has made progress for "),
                                       HasSubstr("; rank 1 on ")));
}

// The processes live, and their thread for heartbeats runs.
TEST_F(StalledLaunch, StorageThatHangsInASaveIsNoticed) {
  ProcessOptions options;
  options.environment = {{"LD_PRELOAD", std::getenv("EBB_FAULT_SHIM")},
                         {"EBB_FAULT_RANK", "all"},
                         {"EBB_FAULT_WRITE", "1"},
                         {"EBB_FAULT_ERROR", "HANG"}};
  Process launched(unsupervised("hanging", with_stall("3s")), options);
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 8) << result.out << result.err;
  EXPECT_THAT(result.err, AllOf(ContainsRegex("rank 0 on [^:]+: step 9, stage save, for "),
                                ContainsRegex("rank 1 on [^:]+: step 9, stage save, for ")));
}

TEST_F(StalledLaunch, ASupervisedRunIsRestarted) {
  Process launched(launch("restarted", with_stall("3s")));
  const std::vector<pid_t> before = ranks_after_checkpoint(launched, "restarted", 10);
  std::this_thread::sleep_for(std::chrono::seconds(2));  // as above
  ASSERT_EQ(stop_ranks(launched), before);
  ASSERT_TRUE(launched.wait_for_output("starting again in ", std::chrono::seconds(60))) << launched.err();
  ASSERT_TRUE(launched.wait_for_output("resumes from step ", std::chrono::seconds(60))) << launched.err();
  launched.signal(SIGTERM);
  EXPECT_EQ(launched.wait().exit_code, 75) << launched.err();
}

TEST_F(StalledLaunch, AWaitForAnotherRunCountsAsProgress) {
  Process first(tiny_.command(1, "held", kForever));
  ASSERT_TRUE(first.wait_for_output("step ")) << first.out() << first.err();
  std::vector<std::string> argv = tiny_.command(1, "held", kForever);
  argv.insert(std::ranges::find(argv, "train") + 1, {"--heartbeat", "100"});
  Process waiting(argv);
  ASSERT_TRUE(waiting.wait_for_output("waiting for ")) << waiting.out() << waiting.err();
  const auto lines = [&] {
    (void)waiting.wait_for_output("never", std::chrono::seconds(3));
    std::size_t count = 0;
    for (std::size_t at = 0; (at = waiting.err().find(kHeartbeat, at)) != std::string::npos; ++at) ++count;
    return count;
  };
  const std::size_t before = lines();
  EXPECT_GT(lines(), before) << waiting.err();
  waiting.signal(SIGUSR1);
  EXPECT_EQ(waiting.wait().exit_code, 75) << waiting.out() << waiting.err();
}

TEST_F(StalledLaunch, HeartbeatsAreSentOnRequestAndNeverShown) {
  const std::vector<std::string> short_run = {"run.steps=3"};
  const ProcessResult launched = run(unsupervised("launched", with_stall("30s", short_run)));
  EXPECT_EQ(launched.exit_code, 0) << launched.out << launched.err;
  EXPECT_THAT(launched.out + launched.err, Not(HasSubstr(kHeartbeat)));
  EXPECT_THAT(launched.out, Not(HasSubstr("--heartbeat"))) << "a person may run the printed command";

  std::vector<std::string> by_hand = tiny_.command(2, "by-hand", short_run);
  const ProcessResult silent = run(by_hand);
  EXPECT_EQ(silent.exit_code, 0) << silent.err;
  EXPECT_THAT(silent.out + silent.err, Not(HasSubstr(kHeartbeat)));
  by_hand.insert(std::ranges::find(by_hand, "train") + 1, {"--heartbeat", "500"});
  by_hand[std::ranges::find(by_hand, "run.name=by-hand") - by_hand.begin()] = "run.name=asked";
  const ProcessResult asked = run(by_hand);
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  EXPECT_THAT(asked.err,
              AllOf(ContainsRegex("ebb-heartbeat 0 -1 setup "), ContainsRegex("ebb-heartbeat 1 ")));
}

}  // namespace
}  // namespace ebb::test
