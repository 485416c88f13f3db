// SPDX-License-Identifier: Apache-2.0
#include "launch/heartbeat_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ebb::launch {
namespace {

using telemetry::format_heartbeat;
using telemetry::HeartbeatLine;
using telemetry::kHeartbeatMark;

const HeartbeatLine kSaves{3, 41, memory::Stage::save, "node-b"};

class HeartbeatFilterTest : public testing::Test {
 protected:
  std::string feed(std::string_view text) {
    return filter_.feed(text, [this](const HeartbeatLine& line) { seen_.push_back(line); });
  }
  void expect_one_save() {
    ASSERT_EQ(seen_.size(), 1U);
    EXPECT_EQ(seen_[0].rank, 3);
    EXPECT_EQ(seen_[0].step, 41);
    EXPECT_EQ(seen_[0].stage, memory::Stage::save);
    EXPECT_EQ(seen_[0].host, "node-b");
  }
  HeartbeatFilter filter_;
  std::vector<HeartbeatLine> seen_;
};

TEST_F(HeartbeatFilterTest, TakesALineOutAndLeavesTheTextAroundIt) {
  EXPECT_EQ(feed("packing 3 of" + format_heartbeat(kSaves) + " 7\nmore"), "packing 3 of 7\nmore");
  expect_one_save();
  EXPECT_EQ(filter_.flush(), "");
}

// mpirun passes on what it reads, which may end at any byte.
TEST_F(HeartbeatFilterTest, FindsALineInPieces) {
  const std::string text = "before\n" + format_heartbeat(kSaves) + "after\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    seen_.clear();
    std::string rest = feed(text.substr(0, cut));
    rest += feed(text.substr(cut));
    EXPECT_EQ(rest, "before\nafter\n") << cut;
    expect_one_save();
  }
}

TEST_F(HeartbeatFilterTest, LinesOfSeveralRanksFollowEachOther) {
  HeartbeatLine other = kSaves;
  other.rank = 0;
  other.step = -1;
  EXPECT_EQ(feed(format_heartbeat(kSaves) + format_heartbeat(other)), "");
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_EQ(seen_[1].rank, 0);
  EXPECT_EQ(seen_[1].step, -1);
}

TEST_F(HeartbeatFilterTest, WhatOnlyBeginsLikeOnePassesUnchanged) {
  const std::string mark(kHeartbeatMark);
  for (const std::string& text :
       {std::string("\x1e"), std::string("\x1e\x1e x\n"), mark + "x 1 save h\x1e\n",
        mark + "-1 1 save h\x1e\n", mark + "1 -2 save h\x1e\n", mark + "1 2 sleeping h\x1e\n",
        mark + "1 2 save\x1e\n", mark + "\x1e\n", mark + "1 2 save h\n",
        mark + "1 2 save ho" + "warning: the disk is full\n", mark + "99999999999 1 save h\x1e\n",
        mark + std::string(5000, '1') + "\x1e\n", mark + "1 2 save " + std::string(5000, 'h') + "\x1e\n"}) {
    std::string passed = feed(text);
    passed += filter_.flush();
    EXPECT_EQ(passed, text);
    EXPECT_TRUE(seen_.empty());
  }
}

TEST_F(HeartbeatFilterTest, AnEndedOutputKeepsTheBeginningOfALine) {
  const std::string begin = format_heartbeat(kSaves).substr(0, 20);
  EXPECT_EQ(feed("a" + begin), "a");
  EXPECT_EQ(filter_.flush(), begin);
}

}  // namespace
}  // namespace ebb::launch
