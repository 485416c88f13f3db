// SPDX-License-Identifier: Apache-2.0
#include "base/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace ebb {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> texts(char* const* array) {
  std::vector<std::string> result;
  for (; *array != nullptr; ++array) result.emplace_back(*array);
  return result;
}

TEST(ExecArguments, HasTheWordsAndTheChangedEnvironment) {
  for (const char* name : {"EBB_TEST_A", "EBB_TEST_AB", "EBB_TEST_B"}) ::setenv(name, "old", 1);
  const ExecArguments arguments({"program", "two words"}, {{"EBB_TEST_A", "new"}, {"EBB_TEST_C", "a=b"}},
                                {"EBB_TEST_B"});
  for (const char* name : {"EBB_TEST_A", "EBB_TEST_AB", "EBB_TEST_B"}) ::unsetenv(name);
  EXPECT_THAT(texts(arguments.argv()), ElementsAre("program", "two words"));
  EXPECT_THAT(texts(arguments.environment()),
              AllOf(Contains("EBB_TEST_A=new"), Not(Contains("EBB_TEST_A=old")), Contains("EBB_TEST_AB=old"),
                    Not(Contains(StartsWith("EBB_TEST_B="))), Contains("EBB_TEST_C=a=b")));
}

TEST(ForkGroupLeader, TheGroupOfTheChildExistsInBothProcesses) {
  const pid_t child = fork_group_leader(SIGKILL);
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(::getpgrp() == ::getpid() ? 0 : 1);
  EXPECT_EQ(::getpgid(child), child);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace ebb
