// SPDX-License-Identifier: Apache-2.0
#include "launch/last_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/recorded.h"

namespace ebb::launch {
namespace {

using ::testing::HasSubstr;

LastWords of(std::string_view text) {
  LastWordsFinder finder;
  // A byte at a time, as it may come.
  for (const char c : text) finder.feed({&c, 1});
  return finder.found();
}

TEST(LastWords, TakeTheFirstErrorOfARank) {
  const LastWords words =
      of("some warning\nebb: rank 1 of 4 on node-b: no room for 4096 bytes\n  because: so\n"
         "ebb: rank 2 of 4 on node-c: lost rank 1\n");
  EXPECT_EQ(words.rank, 1);
  EXPECT_EQ(words.host, "node-b");
  EXPECT_EQ(words.text, "no room for 4096 bytes");
  EXPECT_TRUE(words.rank_reported);
}

TEST(LastWords, OfASingleRankHaveNoRankNumber) {
  const LastWords words = of("ebb: tiny.yaml:3: there is no key rank 1 of them\n");
  EXPECT_EQ(words.rank, -1);
  EXPECT_EQ(words.text, "tiny.yaml:3: there is no key rank 1 of them");
}

TEST(LastWords, UseMpirunsTextOnlyWithoutARanksError) {
  const std::string killed =
      "mpirun noticed that process rank 3 with PID 71 on node node-b exited on signal 9 (Killed).\r\n";
  const LastWords words = of(killed);
  EXPECT_EQ(words.rank, 3);
  EXPECT_EQ(words.host, "node-b");
  EXPECT_THAT(words.text, HasSubstr("signal 9 (Killed)"));
  EXPECT_FALSE(words.rank_reported);
  EXPECT_EQ(of(killed + "ebb: rank 0 of 4 on node-a: lost rank 3\n").rank, 0);
  EXPECT_EQ(of("ebb: rank 0 of 4 on node-a: lost rank 3\n" + killed).rank, 0);
}

TEST(LastWords, NameALostHost) {
  const LastWords words =
      of("ORTE has lost communication with a remote daemon.\n\n  HNP daemon   : [[1644,0],0] on node here\n"
         "  Remote daemon: [[1644,0],1] on node vae-worker-1.vae.team.svc\n");
  EXPECT_EQ(words.host, "vae-worker-1.vae.team.svc");
  EXPECT_EQ(words.rank, -1);
  EXPECT_THAT(words.text, HasSubstr("connection to host vae-worker-1.vae.team.svc was lost"));
}

TEST(LastWords, DetectAFailedStart) {
  EXPECT_EQ(of("ORTE was unable to reliably start one or more daemons.\n").start, LastWords::Start::failed);
  EXPECT_EQ(of("There are not enough slots available in the system to satisfy the 64\n").start,
            LastWords::Start::no_slots);
  EXPECT_EQ(of("all is well\n").start, LastWords::Start::succeeded);
}

TEST(LastWords, NameTheKilledRankInBothVersions) {
  for (const char* version : test::kOpenMpiVersions) {
    const LastWords words = of(test::recorded(version, "kill"));
    EXPECT_EQ(words.rank, 1) << version;
    EXPECT_EQ(words.host, "vm") << version;
    EXPECT_THAT(words.text, HasSubstr("exited on signal 9 (Killed).")) << version;
    EXPECT_FALSE(words.rank_reported);
    EXPECT_EQ(of(test::recorded(version, "exit")).rank, -1) << version;
  }
}

TEST(LastWords, DetectAFailedStartInBothVersions) {
  for (const char* version : test::kOpenMpiVersions) {
    EXPECT_EQ(of(test::recorded(version, "slots")).start, LastWords::Start::no_slots) << version;
    EXPECT_EQ(of(test::recorded(version, "missing")).start, LastWords::Start::failed) << version;
    EXPECT_EQ(of(test::recorded(version, "kill")).start, LastWords::Start::succeeded) << version;
  }
  EXPECT_EQ(of(test::recorded("4.1.4", "refused")).start, LastWords::Start::failed);
  // Version 5 does not tell a host that it could not reach from one that it lost.
  for (const char* name : {"refused", "lost"}) {
    const LastWords words = of(test::recorded("5.0.7", name));
    EXPECT_TRUE(words.host_lost) << name;
    EXPECT_THAT(words.loss, HasSubstr("connection to host ")) << name;
  }
}

TEST(LastWords, TruncateAHugeLine) {
  EXPECT_LE(of("ebb: " + std::string(1'000'000, 'x') + "\n").text.size(), 65536U);
}

}  // namespace
}  // namespace ebb::launch
