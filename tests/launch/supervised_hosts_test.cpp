// SPDX-License-Identifier: Apache-2.0
// `ebb launch --supervise` with ranks on other hosts, and with ranks that the kernel ends.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>

#include "base/process.h"
#include "launch/supervised.h"
#include "support/limited_group.h"

namespace ebb::test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

std::string program_of(pid_t pid) {
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
  return name;
}

// Two hosts with networks and names of their own (tests/launch/two_hosts). A shell replaces ssh and sshd.
// Open MPI's own daemons run as on the hosts of a cluster.
class SupervisedHosts : public Supervised {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make hosts with networks of their own";
    std::ofstream(hosts_) << "host-0 slots=1\nhost-1 slots=1\n";
    // Of version 4 and 5 of Open MPI.
    for (const char* agent : {"OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent"})
      options_.environment[agent] = folder_.string() + "/remote-shell";
    // These variables would give all hosts one session folder.
    options_.unset = {"OMPI_MCA_orte_tmpdir_base", "PRTE_MCA_prte_tmpdir_base"};
    options_.environment["TMPDIR"] = folder_.string();
  }
  void TearDown() override {
    for (const char* host : {"host-0", "host-1"})
      if (const std::string process = text_of(folder_ / host); !process.empty())
        ::kill(std::stoi(process), SIGKILL);
  }
  [[nodiscard]] std::vector<std::string> on_hosts(const std::string& name,
                                                  const std::vector<std::string>& overrides) const {
    std::vector<std::string> argv{source_dir() + "/tests/launch/two_hosts", folder_.string()};
    for (const std::string& word :
         launch(name, overrides, {"--hostfile", hosts_, "--forward", "OMP_NUM_THREADS"}))
      argv.push_back(word);
    return argv;
  }
  // Open MPI's daemons below this process, one for each host. That of version 5 has a parent of the same
  // name, which only waits for it.
  static std::vector<pid_t> daemons(pid_t parent) {
    std::vector<pid_t> found;
    for (const pid_t child : children(parent)) {
      const std::vector<pid_t> below = daemons(child);
      const std::string program = program_of(child);
      if (below.empty() && (program == "orted" || program == "prted") && is_alive(child))
        found.push_back(child);
      found.insert(found.end(), below.begin(), below.end());
    }
    return found;
  }
  const fs::path folder_ = tiny_.folder().path();
  const std::string hosts_ = folder_ / "hosts";
  ProcessOptions options_;
};

TEST_F(SupervisedHosts, ALostHostIsNamedAndTheRunContinues) {
  Process launched(
      on_hosts("lost-host", {"run.steps=400", "checkpoint.every=20", "telemetry.progress_every=200ms"}),
      options_);
  (void)ranks_after_checkpoint(launched, "lost-host", 20);
  const std::vector<pid_t> there = daemons(launched.pid());
  ASSERT_EQ(there.size(), 2U) << launched.out() << launched.err();
  for (const pid_t rank : children(there[1])) ::kill(rank, SIGKILL);
  ::kill(there[1], SIGKILL);  // like the end of a pod, without a message
  const ProcessResult& result = launched.wait();
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.err,
              ContainsRegex("mpirun ended with code [0-9]+.* connection to host host-[01] was lost"));
  EXPECT_THAT(result.err, HasSubstr("starting again in "));
  EXPECT_THAT(result.out, HasSubstr("resumes from step "));
}

TEST_F(SupervisedHosts, AStopReachesTheRanksOfOtherHosts) {
  Process launched(on_hosts("stopped-hosts", kForever), options_);
  ASSERT_TRUE(launched.wait_for_output("step ")) << launched.out() << launched.err();
  launched.signal(SIGTERM);
  EXPECT_EQ(launched.wait().exit_code, 75) << launched.out() << launched.err();
  EXPECT_THAT(launched.out(), HasSubstr("checkpoint saved"));
}

TEST_F(SupervisedHosts, AHostThatRefusesIsRetriedAndNotAnInternalError) {
  const std::string refusing = folder_ / "refusing-shell";
  std::ofstream(refusing) << "#!/bin/sh\nexit 1\n";
  fs::permissions(refusing, fs::perms::owner_all);
  for (const char* agent : {"OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent"})
    options_.environment[agent] = refusing;
  auto argv = on_hosts("refused", kForever);
  const auto supervise = std::ranges::find(argv, "--supervise");
  argv.insert(supervise, {"--restarts", "1"});
  const ProcessResult result = run(argv, options_);
  EXPECT_EQ(result.exit_code, 5) << result.out << result.err;
  // Version 5 of Open MPI does not distinguish an unreachable host from a lost one.
  EXPECT_THAT(result.err, ContainsRegex("could not start ranks on every host|after it lost a host"));
  EXPECT_THAT(result.err, HasSubstr("not started again"));
}

TEST_F(Supervised, ARunThatExceedsTheLimitOfTheGroupIsRefusedBeforeItsFirstStep) {
  const auto group = LimitedGroup::of_memory(std::int64_t{700} << 20);
  if (group.empty()) GTEST_SKIP() << "no control group with a memory limit can be made here (root can)";
  const ProcessResult result =
      run_shell(group.command(launch("refused", {"model.hidden=400000", "run.steps=5"})));
  EXPECT_EQ(result.exit_code, 4) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr(": the limit of 700.0 MiB of the control group"));
  EXPECT_THAT(result.err, HasSubstr("fits: at most 1 of these ranks here need "));
  EXPECT_THAT(result.err, Not(HasSubstr("the kernel killed")));
  EXPECT_FALSE(fs::exists(fs::path(tiny_.run_folder("refused")) / "metrics.jsonl"));
}

TEST_F(Supervised, AKillForLackOfMemoryIsCode4AndFinal) {
  const auto group = LimitedGroup::of_memory(std::int64_t{600} << 20);
  if (group.empty()) GTEST_SKIP() << "no control group with a memory limit can be made here (root can)";
  // Two ranks that exceed the group's memory once they hold their moments.
  const ProcessResult result =
      run_shell(group.command(launch("large", {"model.hidden=400000", "run.steps=5", "memory.check=warn"})));
  EXPECT_EQ(result.exit_code, 4) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("lack of memory"));
  EXPECT_THAT(result.err, Not(HasSubstr("starting again")));
  EXPECT_THAT(text_of(message_), HasSubstr("code 4 (memory), rank "));
  EXPECT_EQ(nlohmann::json::parse(text_of(tiny_.run_folder("large") + "/verdict.json")).at("code"), 4);
}

}  // namespace
}  // namespace ebb::test
