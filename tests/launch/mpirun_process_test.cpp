// SPDX-License-Identifier: Apache-2.0
#include "launch/mpirun_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "telemetry/heartbeat_line.h"

namespace ebb::launch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Open MPI's own daemon does so at times; a shell with the same output replaces it here.
RunEnd of_one_that_hangs(const std::string& words, std::string& said, double stall_s = 0) {
  LaunchHost host;
  host.mpirun = "/bin/sh";
  const MpirunCommand command{
      {}, {"sh", "-c", "echo '" + words + "' >&2; trap '' TERM; while :; do sleep 1; done"}};
  const ScopedSignalBlock signals;
  return run_mpirun(host, command, signals, {RepeatedSigterm::is_ignored, 1, stall_s},
                    [&](const std::string& text) { said += text; });
}

TEST(RunMpirun, KillsAnMpirunThatHangsAfterALostHost) {
  std::string said;
  const RunEnd end = of_one_that_hangs("ORTE has lost communication with a remote daemon.", said);
  EXPECT_EQ(end.code, 128 + SIGKILL);
  EXPECT_THAT(said, HasSubstr("does not end"));
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
}

// As observed with ranks that were killed in MPI_Finalize.
TEST(RunMpirun, KillsAnMpirunThatHangsAfterAKilledRank) {
  std::string said;
  const RunEnd end = of_one_that_hangs(
      "mpirun noticed that process rank 0 with PID 0 on node vm exited on signal 9 (Killed).", said);
  EXPECT_EQ(end.code, 128 + SIGKILL);
  EXPECT_THAT(said, HasSubstr("does not end"));
  EXPECT_TRUE(end.forced);
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
}

TEST(RunMpirun, KillsAnMpirunThatHangsAfterAllRanksStoodStill) {
  std::string said;
  std::string heartbeat = telemetry::format_heartbeat({0, 7, memory::Stage::load, "node-a"});
  heartbeat.pop_back();  // echo adds the newline
  const RunEnd end = of_one_that_hangs(heartbeat, said, 1);
  EXPECT_EQ(end.code, 128 + SIGKILL);
  EXPECT_THAT(said, AllOf(HasSubstr("no rank has made progress for 1.0s (launch.stall): ending the run"),
                          HasSubstr("mpirun does not end either")));
  const Verdict ended = verdict(end);
  EXPECT_EQ(ended.code, ExitCode::storage);
  EXPECT_THAT(ended.message, HasSubstr("rank 0 on node-a: step 7, stage load, for "));
}

}  // namespace
}  // namespace ebb::launch
