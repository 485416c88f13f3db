// SPDX-License-Identifier: Apache-2.0
#include "telemetry/heartbeat.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>
#include <thread>

#include "base/work_count.h"

namespace ebb::telemetry {
namespace {

using std::chrono::milliseconds;

class HeartbeatTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::pipe(ends_.data()), 0); }
  void TearDown() override {
    for (const int end : ends_) ::close(end);
  }
  // The next line; nullopt if none comes within `limit`.
  std::optional<HeartbeatLine> next(milliseconds limit = milliseconds(10'000)) {
    pollfd waiting{ends_[0], POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(limit.count())) != 1) return std::nullopt;
    std::string text;
    for (char c = 0; ::read(ends_[0], &c, 1) == 1 && c != '\n';) text += c;
    const auto line = parse_heartbeat(text);
    EXPECT_TRUE(line) << text;
    return line;
  }
  static constexpr milliseconds kPeriod{20}, kSilence{200};
  std::array<int, 2> ends_{};
  memory::Ledger ledger_;
};

TEST_F(HeartbeatTest, ReportsOnceAndThenWhenTheStateChanges) {
  Heartbeat heartbeat(2, "a host", ledger_, kPeriod, ends_[1]);
  const auto first = next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->rank, 2);
  EXPECT_EQ(first->host, "a host");
  EXPECT_EQ(first->step, -1);
  EXPECT_EQ(first->stage, memory::Stage::setup);
  EXPECT_FALSE(next(kSilence)) << "a process that only lives has made progress";

  heartbeat.begin_step(4);
  const auto step = next();
  ASSERT_TRUE(step);
  EXPECT_EQ(step->step, 4);
  ledger_.enter(memory::Stage::load);
  const auto stage = next();
  ASSERT_TRUE(stage);
  EXPECT_EQ(stage->stage, memory::Stage::load);
  EXPECT_FALSE(next(kSilence));
}

TEST_F(HeartbeatTest, ProgressWithinAStageCounts) {
  const Heartbeat heartbeat(0, "h", ledger_, kPeriod, ends_[1]);
  ASSERT_TRUE(next());
  int block = 0;
  ledger_.record(&block, 8, memory::Ledger::Location::host);
  EXPECT_TRUE(next());
  ledger_.record(&block, 8, memory::Ledger::Location::device);
  EXPECT_TRUE(next());
  count_work();
  EXPECT_TRUE(next());
  EXPECT_FALSE(next(kSilence));
}

// The lease is renewed while the training thread hangs.
TEST_F(HeartbeatTest, FilesOfAnotherThreadDoNotCount) {
  const Heartbeat heartbeat(0, "h", ledger_, kPeriod, ends_[1]);
  ASSERT_TRUE(next());
  std::thread(count_work).join();
  EXPECT_FALSE(next(kSilence));
}

TEST_F(HeartbeatTest, AtMostOneLineInAPeriod) {
  {
    Heartbeat heartbeat(0, "h", ledger_, milliseconds(60'000), ends_[1]);
    ASSERT_TRUE(next());
    for (int step = 0; step < 1000; ++step) heartbeat.begin_step(step);
    EXPECT_FALSE(next(kSilence));
  }
  EXPECT_FALSE(next(milliseconds(0)));
}

// Nobody reads, and the thread must still end.
TEST_F(HeartbeatTest, AFullPipeBlocksNothing) {
  Heartbeat heartbeat(0, "h", ledger_, milliseconds(1), ends_[1]);
  pollfd room{ends_[1], POLLOUT, 0};
  for (int step = 0; ::poll(&room, 1, 0) == 1; ++step) {
    ASSERT_LT(step, 60'000);
    heartbeat.begin_step(step);
    const std::string filler(1000, 'x');
    ASSERT_EQ(::write(ends_[1], filler.data(), filler.size()), 1000);
  }
}

}  // namespace
}  // namespace ebb::telemetry
