// SPDX-License-Identifier: Apache-2.0
#include "memory/oom_kills.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "support/folder_test.h"

namespace ebb::memory {
namespace {

class Kills : public test::FolderTest {
 protected:
  [[nodiscard]] std::int64_t count(const std::string& self) const {
    put("self", self);
    put("vmstat", "pgfault 12\noom_kill 7\nother 1\n");
    return oom_kill_count(folder_ / "self", folder_ / "mount", folder_ / "vmstat");
  }
};

TEST_F(Kills, OfVersion2AreTheGroupsOwn) {
  put("mount/job/memory.events", "low 0\nhigh 0\nmax 3\noom 2\noom_kill 2\noom_group_kill 0\n");
  EXPECT_EQ(count("0::/job\n"), 2);
}

TEST_F(Kills, OfAContainerAreAtTheRoot) {
  put("mount/memory.events", "oom 1\noom_kill 1\n");
  EXPECT_EQ(count("0::/kubepods/pod1/abc\n"), 1);
}

TEST_F(Kills, OfVersion1AreTheGroupsOwn) {
  put("mount/memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
  EXPECT_EQ(count("5:cpu:/job\n4:memory:/job\n0::/\n"), 4);
}

TEST_F(Kills, AreTheMachinesWithoutAGroup) {
  EXPECT_EQ(count("0::/\n"), 7);
  EXPECT_EQ(count(""), 7);
  EXPECT_EQ(oom_kill_count(folder_ / "none", folder_ / "none", folder_ / "none"), 0);
}

TEST_F(Kills, OfAnEarlierStartAreReadFromANote) {
  unsetenv("EBB_KILLED_FOR_MEMORY");
  EXPECT_FALSE(oom_killed_before_this_start());
  setenv("EBB_KILLED_FOR_MEMORY", (folder_ / "note").c_str(), 1);
  EXPECT_FALSE(oom_killed_before_this_start());
  put("note", "");
  EXPECT_TRUE(oom_killed_before_this_start());
  std::filesystem::last_write_time(folder_ / "note", std::filesystem::file_time_type::clock::now() -
                                                         kNoteLifetime - std::chrono::seconds(5));
  EXPECT_FALSE(oom_killed_before_this_start());
  unsetenv("EBB_KILLED_FOR_MEMORY");
}

// Only a kill that has just been counted explains the death of a process.
struct Watched {
  std::int64_t count = 3;
  OomKillWatch watch{[this] { return count; }};
  OomKillWatch::Clock::time_point start = OomKillWatch::Clock::now();

  bool oom_killed_recently(int seconds) {
    return watch.oom_killed_recently(start + std::chrono::seconds(seconds));
  }
  void poll(int seconds) { watch.poll(start + std::chrono::seconds(seconds)); }
};

TEST(OomKillWatch, CountsNoKillFromBeforeItsStart) {
  Watched watched;
  EXPECT_FALSE(watched.oom_killed_recently(0));
}

TEST(OomKillWatch, ReportsAKillAtOnceAndForHalfAMinute) {
  Watched watched;
  watched.poll(1000);
  watched.count = 4;
  EXPECT_TRUE(watched.oom_killed_recently(1001));
  EXPECT_TRUE(watched.oom_killed_recently(1030));
  EXPECT_FALSE(watched.oom_killed_recently(1032));
}

TEST(OomKillWatch, ForgetsAKillThatAnEarlierPollSaw) {
  Watched watched;
  watched.count = 4;
  watched.poll(10);
  EXPECT_FALSE(watched.oom_killed_recently(86'400));
}

TEST(OomKillWatch, PollsAtMostOnceAnInterval) {
  Watched watched;
  watched.poll(10);
  watched.count = 4;
  watched.poll(12);  // too early: the next poll counts the kill
  watched.poll(60);
  EXPECT_TRUE(watched.oom_killed_recently(80));
}

TEST_F(Kills, AreKnownHere) {
  EXPECT_GE(oom_kill_count(), 0);
}

}  // namespace
}  // namespace ebb::memory
