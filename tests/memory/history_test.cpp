// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "memory/event_ring.h"
#include "memory/failure.h"
#include "memory/installed_ledger.h"
#include "memory/leak_gate.h"
#include "memory/owner_names.h"

namespace ebb::memory {
namespace {

constexpr auto kHost = Ledger::Location::host;

const void* address_of(std::uintptr_t address) {
  return reinterpret_cast<const void*>(address);
}

TEST(History, HasTheLastEventsInOrderWithOwnerAndStage) {
  the_test_ledger();
  Ledger ledger;
  EXPECT_TRUE(ledger.history(kHost).empty());
  ledger.record(address_of(64), 8, kHost, Class::data, "before");
  ledger.keep_history(kHost, 4);
  ledger.record(address_of(128), 100, kHost, Class::data, "images");
  ledger.enter(Stage::backward);
  ledger.forget(address_of(64), kHost);
  std::vector<MemoryEvent> events = ledger.history(kHost);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].address, 128U);
  EXPECT_EQ(events[0].bytes, 100);
  EXPECT_EQ(owner_name(events[0].owner).owner, "images");
  EXPECT_EQ(events[0].stage, static_cast<std::uint32_t>(Stage::setup));
  EXPECT_EQ(events[1].bytes, -8) << "a block recorded before the history began";
  EXPECT_EQ(events[1].stage, static_cast<std::uint32_t>(Stage::backward));

  for (int i = 1; i <= 5; ++i) ledger.record(address_of(1000 + i), i, kHost, Class::data, "later");
  events = ledger.history(kHost);
  ASSERT_EQ(events.size(), 4U) << "the first ones have gone";
  for (int i = 0; i < 4; ++i) EXPECT_EQ(events[i].bytes, i + 2);
}

TEST(History, ABlockRecordedAgainWithoutAReleaseHasOne) {
  the_test_ledger();
  Ledger ledger;
  ledger.keep_history(kHost, 8);
  ledger.record(address_of(64), 8, kHost, Class::data, "first");
  ledger.record(address_of(64), 16, kHost, Class::data, "second");
  const std::vector<MemoryEvent> events = ledger.history(kHost);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[1].bytes, -8);
  EXPECT_EQ(owner_name(events[1].owner).owner, "first");
  EXPECT_EQ(events[2].bytes, 16);
  const std::vector<LiveBlock> live = ledger.blocks(kHost);
  ASSERT_EQ(live.size(), 1U);
  EXPECT_EQ(live[0].address, 64U);
  EXPECT_EQ(live[0].bytes, 16);
}

TEST(History, ItsMemoryCountsUntilItEnds) {
  Ledger& ledger = the_test_ledger();
  ledger.keep_history(kHost, 1000);
  EXPECT_EQ(live(Class::workspace, EventRing::kOwner), EventRing::bytes_of(1000));
  ledger.keep_history(kHost, 0);
  EXPECT_EQ(live(Class::workspace, EventRing::kOwner), 0);
}

// Adds a line, or fails.
class Reporter final : public FailureReporter {
 public:
  explicit Reporter(bool works) : works_(works) { set_failure_reporter(this); }
  ~Reporter() override { set_failure_reporter(nullptr); }
  std::string report(const std::string& what) override {
    if (!works_) throw Error(ExitCode::storage, "the disk is full");
    return "\n  of " + std::to_string(what.size()) + " letters";
  }

 private:
  bool works_;
};

TEST(FailureReporter, AddsItsLinesAndAFailureOfItsOwnIsALineToo) {
  EXPECT_EQ(reported("no"), "no");
  {
    const Reporter reporter(true);
    EXPECT_EQ(reported("no"), "no\n  of 2 letters");
  }
  {
    const Reporter reporter(false);
    EXPECT_EQ(reported("no"), "no\n  no report: the disk is full");
  }
  EXPECT_EQ(reported("no"), "no");
}

TEST(FailureReporter, ReportsALeakToo) {
  Ledger ledger;
  LeakGate gate(ledger, LeakPolicy::error);
  gate.check(0);
  ledger.record(address_of(64), 8, kHost, Class::activations, "leaked");
  const Reporter reporter(true);
  try {
    gate.check(1);
    FAIL() << "no leak was found";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("activations: 0 B before, 8 B now"), std::string::npos) << text;
    EXPECT_TRUE(text.ends_with(" letters")) << text;
  }
}

}  // namespace
}  // namespace ebb::memory
