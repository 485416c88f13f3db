// SPDX-License-Identifier: Apache-2.0
#include "launch/noise_filter.h"

#include <gtest/gtest.h>

#include <regex>

#include "launch/recorded.h"

namespace ebb::launch {
namespace {

const std::string kRule = std::string(74, '-') + "\n";

std::string paragraph(const std::string& text) {
  return kRule + text + "\n" + kRule;
}

std::string filtered(const std::string& text) {
  NoiseFilter filter;
  std::string out = filter.feed(text);
  return out + filter.flush();
}

TEST(NoiseFilter, OnlyTheRanksOwnMessageRemains) {
  const std::string own = "ebb: rank 1 of 2 on vm: the loss is not finite\n";
  EXPECT_EQ(
      filtered(own +
               paragraph("Primary job  terminated normally, but 1 process returned\na non-zero exit code.") +
               paragraph("mpirun detected that one or more processes exited with non-zero status, thus "
                         "causing\nthe job")),
      own);
  EXPECT_EQ(
      filtered(
          own +
          paragraph("MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD\nwith errorcode 6.")),
      own);
  EXPECT_EQ(filtered("mpirun: Forwarding signal 10 to job\n" + own), own);
  EXPECT_EQ(
      filtered("mpirun: abort is already in progress...hit ctrl-c again to forcibly terminate\n\n" + own),
      "\n" + own);
  EXPECT_EQ(filtered("[vm:8] [[1,0],0] ORTE_ERROR_LOG: Out of resource in file ../x.c at line 507\n" + own),
            own);
}

TEST(NoiseFilter, InformationOfMpirunAlonePasses) {
  const std::string killed =
      paragraph("mpirun noticed that process rank 1 with PID 7 on node vm exited on signal 9 (Killed).");
  EXPECT_EQ(filtered(killed), killed);
  const std::string slots = paragraph("There are not enough slots available in the system");
  EXPECT_EQ(filtered("before\n" + slots + "after\n"), "before\n" + slots + "after\n");
}

TEST(NoiseFilter, AnIncompleteLineIsNotHeldBack) {
  NoiseFilter filter;
  EXPECT_EQ(filter.feed("\rstep 3 of 10"), "\rstep 3 of 10");
  EXPECT_FALSE(filter.holding());
  EXPECT_EQ(filter.feed("\rstep 4 of 10\n"), "\rstep 4 of 10\n");
}

TEST(NoiseFilter, TheResultDoesNotDependOnHowTheTextIsSplit) {
  const std::string text = "one\n" + paragraph("MPI_ABORT was invoked on rank 0") +
                           "--- two ---\n[vm:1] three\nmpirun: four\n" + paragraph("something else") + "five";
  const std::string whole = filtered(text);
  NoiseFilter filter;
  std::string by_bytes;
  for (const char c : text) by_bytes += filter.feed({&c, 1});
  by_bytes += filter.flush();
  EXPECT_EQ(by_bytes, whole);
  EXPECT_EQ(whole, "one\n--- two ---\n[vm:1] three\nmpirun: four\n" + paragraph("something else") + "five");
}

// The output of mpirun of both versions after a rank ended with 6 or aborted, and after both ended with 75.
TEST(NoiseFilter, NothingRemainsOfAnExplainedEndInBothVersions) {
  const std::string own = "ebb: rank 1 of 2 on vm: stopped\n";
  for (const char* version : test::kOpenMpiVersions) {
    for (const char* name : {"stop", "exit", "abort"}) {
      EXPECT_EQ(filtered(own + test::recorded(version, name)), own) << version << " " << name;
    }
  }
}

TEST(NoiseFilter, InformationOfMpirunAlonePassesInBothVersions) {
  for (const char* version : test::kOpenMpiVersions) {
    const std::string killed = filtered(test::recorded(version, "kill"));
    EXPECT_NE(killed.find("signal 9 (Killed)"), std::string::npos) << killed;
    EXPECT_EQ(killed.find("reachable pairing"), std::string::npos) << killed;
    EXPECT_EQ(killed.find("terminated normally"), std::string::npos) << killed;
    for (const char* name : {"slots", "missing", "refused"}) {
      std::string text = test::recorded(version, name);
      std::erase(text, '\0');
      // A line of version 5 about the shell that reaches another host, which is noise.
      const std::string expected =
          std::regex_replace(text, std::regex("\\[.*plm:ssh: Warning: setpgid.*\n"), "");
      EXPECT_EQ(filtered(text), expected) << version << " " << name;
    }
  }
}

TEST(NoiseFilter, OfALostHostOnlyTheParagraphPasses) {
  const std::string lost = filtered(test::recorded("5.0.7", "lost"));
  EXPECT_EQ(lost.find("setpgid"), std::string::npos) << lost;
  EXPECT_NE(lost.find("lost communication with a remote daemon"), std::string::npos) << lost;
}

TEST(NoiseFilter, AnOpenParagraphIsNotLost) {
  EXPECT_EQ(filtered(kRule + "half"), kRule + "half");
  const std::string table = kRule + std::string(20'000, 'x') + "\n";
  NoiseFilter filter;
  EXPECT_GE(filter.feed(table).size(), 8000U);
}

}  // namespace
}  // namespace ebb::launch
