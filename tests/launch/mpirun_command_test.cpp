// SPDX-License-Identifier: Apache-2.0
#include "launch/mpirun_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
      "mpirun --bind-to none --hostfile /etc/mpi/hostfile -x NCCL_DEBUG -x A_B -n 99 ebb train");
}

TEST(MpirunLine, AGivenPlacementIsKept) {
  LaunchHost host = plain_host();
  host.placed = true;
  host.remote_shell = false;
  EXPECT_EQ(line_for(host, 99), "mpirun --bind-to none -n 99 ebb train");
}

TEST(ShellLine, AShellReadsEveryWordBack) {
  const std::vector<std::string> words = {"plain", "with blank", "it's",      "$HOME", "a\"b",
                                          "",      "*",          "new\nline", "~",     "key=[1, 2]"};
  std::string line = "printf '%s|'", expected;
  for (const std::string& word : words) {
    line.append(" ").append(shell_quoted(word));
    expected.append(word).append("|");
  }
  EXPECT_EQ(test::run_shell(line).out, expected);
}

TEST(LaunchHost, ThisMachineHasAnOpenMpi) {
  const LaunchHost host = inspect_launch_host();
  EXPECT_GE(host.major, 4);
  EXPECT_GE(host.slots, 1);
  EXPECT_THAT(mpirun_version(host.mpirun), HasSubstr("Open MPI"));
}

}  // namespace
}  // namespace ebb::launch
