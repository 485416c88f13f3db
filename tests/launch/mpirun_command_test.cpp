// SPDX-License-Identifier: Apache-2.0
#include "launch/mpirun_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/printable.h"
#include "base/shell.h"
#include "support/process.h"

namespace ebb::launch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

LaunchHost plain_host() {
  LaunchHost host;
  host.mpirun = "/usr/bin/mpirun";
  host.slots = 4;
  return host;
}

std::string line_for(const LaunchHost& host, int ranks) {
  return shell_command(mpirun_command(host, {ranks, {}, {}}, {"ebb", "train"}));
}

TEST(MpirunLine, APlainHostOnlyTurnsBindingOff) {
  EXPECT_EQ(line_for(plain_host(), 4), "mpirun --bind-to none -n 4 ebb train");
}

TEST(MpirunLine, OversubscriptionIsAllowedOnlyForMoreRanksThanCores) {
  EXPECT_THAT(line_for(plain_host(), 5), HasSubstr("OVERSUBSCRIBE"));
  EXPECT_THAT(line_for(plain_host(), 4), Not(HasSubstr("OVERSUBSCRIBE")));
}

TEST(MpirunLine, RootIsAllowedByTheEnvironment) {
  LaunchHost host = plain_host();
  host.root = true;
  EXPECT_THAT(line_for(host, 1),
              ::testing::StartsWith("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun "));
}

TEST(MpirunLine, WithoutARemoteShellVersionFourRunsIsolated) {
  LaunchHost host = plain_host();
  host.remote_shell = false;
  EXPECT_THAT(line_for(host, 2), HasSubstr("--mca plm isolated"));
  host.major = 5;
  EXPECT_THAT(line_for(host, 2), Not(HasSubstr("--mca")));
}

TEST(MpirunLine, WithoutCrossMemoryAccessSingleCopyIsOff) {
  LaunchHost host = plain_host();
  host.cross_memory = false;
  EXPECT_THAT(line_for(host, 2), HasSubstr("--mca btl_vader_single_copy_mechanism none"));
}

TEST(MpirunLine, AHostFileAndForwardedVariablesArePassedOn) {
  LaunchHost host = plain_host();
  host.remote_shell = false;
  EXPECT_EQ(
      shell_command(mpirun_command(host, {99, "/etc/mpi/hostfile", {"NCCL_DEBUG", "A_B"}}, {"ebb", "train"})),
      "mpirun --bind-to none --hostfile /etc/mpi/hostfile -x HWLOC_PLUGINS_BLACKLIST -x NCCL_DEBUG -x A_B -n "
      "99 "
      "ebb train");
}

TEST(MpirunLine, AGivenPlacementIsKept) {
  LaunchHost host = plain_host();
  host.ranks_are_placed = true;
  host.remote_shell = false;
  EXPECT_EQ(line_for(host, 99), "mpirun --bind-to none -x HWLOC_PLUGINS_BLACKLIST -n 99 ebb train");
}

TEST(MpirunLine, UnusedPluginsAreLeftOutOnEveryHost) {
  LaunchHost host = plain_host();
  host.plugin_list_is_set = false;
  const auto left_out =
      ::testing::ContainsRegex("^HWLOC_PLUGINS_BLACKLIST=[a-z_.,]*hwloc_opencl.so[a-z_.,]* mpirun ");
  EXPECT_THAT(line_for(host, 2), ::testing::AllOf(left_out, Not(HasSubstr("-x"))));
  host.ranks_are_placed = true;
  EXPECT_THAT(line_for(host, 2), ::testing::AllOf(left_out, HasSubstr("-x HWLOC_PLUGINS_BLACKLIST -n 2")));
}

TEST(MpirunLine, APluginListOfTheUserReachesEveryHostToo) {
  LaunchHost host = plain_host();
  host.plugin_list_is_set = true;
  host.ranks_are_placed = true;
  const std::string chosen = "mpirun --bind-to none -x HWLOC_PLUGINS_BLACKLIST -n 2 ebb train";
  EXPECT_EQ(line_for(host, 2), chosen);
  const std::vector<std::string> forward = {"HWLOC_PLUGINS_BLACKLIST"};
  EXPECT_EQ(shell_command(mpirun_command(host, {2, "", forward}, {"ebb", "train"})), chosen);
}

TEST(MpirunLine, VersionFiveGetsItsOwnNamesOfVariables) {
  LaunchHost host = plain_host();
  host.version_5_variables = {{"PRTE_MCA_plm_ssh_args", "-o ConnectionAttempts=10"}};
  EXPECT_THAT(line_for(host, 2),
              ::testing::StartsWith("PRTE_MCA_plm_ssh_args='-o ConnectionAttempts=10' mpirun "));
}

TEST(ShellLine, AShellReadsEveryWordBack) {
  const std::vector<std::string> words = {"plain",      "with blank", "it's",      "$HOME", "a\"b",
                                          "",           "*",          "new\nline", "~",     "key=[1, 2]",
                                          "a\x1b[31mb", "d\xe9p",     "\x01'\xff"};
  std::string line = "printf '%s|'", expected;
  for (const std::string& word : words) {
    line.append(" ").append(shell_quoted(word));
    expected.append(word).append("|");
  }
  EXPECT_EQ(test::run_shell(line).out, expected);
  EXPECT_EQ(printable(line), line);
}

TEST(LaunchHost, ThisMachineHasAnOpenMpi) {
  const LaunchHost host = inspect_launch_host();
  EXPECT_GE(host.major, 4);
  EXPECT_GE(host.slots, 1);
  EXPECT_THAT(mpirun_version(host.mpirun), HasSubstr("Open MPI"));
}

// A folder with an mpirun that only prints its version, first on PATH.
class WithVersion : public ::testing::Test {
 protected:
  LaunchHost inspect(const std::string& version) {
    std::ofstream(folder_ / "mpirun") << "#!/bin/sh\necho 'mpirun (Open MPI) " << version << "'\n";
    std::filesystem::permissions(folder_ / "mpirun", std::filesystem::perms::owner_all);
    ::setenv("PATH", (folder_.path() + ":" + path_).c_str(), 1);
    const LaunchHost host = inspect_launch_host();
    ::setenv("PATH", path_.c_str(), 1);
    return host;
  }
  ~WithVersion() override {
    for (const char* name : {"OMPI_MCA_plm_rsh_args", "OMPI_MCA_orte_keep_fqdn_hostnames",
                             "PRTE_MCA_prte_keep_fqdn_hostnames", "HWLOC_PLUGINS_BLACKLIST"})
      ::unsetenv(name);
  }
  const test::TemporaryFolder folder_;
  const std::string path_ = std::getenv("PATH");
};

TEST_F(WithVersion, VariablesOfVersionFourAreRenamedForVersionFive) {
  ::setenv("OMPI_MCA_plm_rsh_args", "-o A=B", 1);
  ::setenv("OMPI_MCA_orte_keep_fqdn_hostnames", "true", 1);
  const std::pair<std::string, std::string> args{"PRTE_MCA_plm_ssh_args", "-o A=B"},
      names{"PRTE_MCA_prte_keep_fqdn_hostnames", "true"};
  EXPECT_THAT(inspect("5.0.7").version_5_variables, ::testing::IsSupersetOf({args, names}));
  EXPECT_THAT(inspect("4.1.4").version_5_variables, ::testing::IsEmpty());
  ::setenv("PRTE_MCA_prte_keep_fqdn_hostnames", "false", 1);
  EXPECT_THAT(inspect("5.0.7").version_5_variables, Not(::testing::Contains(names)));
}

TEST_F(WithVersion, AListOfPluginsInTheEnvironmentIsKept) {
  ::unsetenv("HWLOC_PLUGINS_BLACKLIST");
  EXPECT_FALSE(inspect("4.1.4").plugin_list_is_set);
  ::setenv("HWLOC_PLUGINS_BLACKLIST", "", 1);
  EXPECT_TRUE(inspect("4.1.4").plugin_list_is_set);
}

}  // namespace
}  // namespace ebb::launch
