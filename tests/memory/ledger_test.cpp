// SPDX-License-Identifier: Apache-2.0
#include "memory/ledger.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#include "memory/failure.h"

namespace ebb::memory {
namespace {

using Location = Ledger::Location;

const void* block(std::uintptr_t number) {
  return reinterpret_cast<const void*>(number * 64);
}
std::int64_t of(const Sums& sums, Class cls) {
  return sums[static_cast<std::size_t>(cls)];
}

TEST(Ledger, AddsUpByClassAndForgets) {
  Ledger ledger;
  ledger.record(block(1), 1000, Location::host, Class::parameters, "encoder");
  ledger.record(block(2), 24, Location::host, Class::parameters, "decoder");
  ledger.record(block(3), 7, Location::host, Class::data, "slot");
  EXPECT_EQ(of(ledger.live(Location::host), Class::parameters), 1024);
  EXPECT_EQ(of(ledger.live(Location::host), Class::data), 7);
  EXPECT_EQ(ledger.live_total(Location::host), 1031);
  ledger.forget(block(1), Location::host);
  EXPECT_EQ(of(ledger.live(Location::host), Class::parameters), 24);
  EXPECT_EQ(ledger.live_total(Location::host), 31);
}

TEST(Ledger, KeepsHostAndDeviceApart) {
  Ledger ledger;
  ledger.record(block(1), 100, Location::host, Class::data, "slot");
  ledger.record(block(1), 900, Location::device, Class::gradients, "bucket");
  EXPECT_EQ(ledger.live_total(Location::host), 100);
  EXPECT_EQ(ledger.live_total(Location::device), 900);
  ledger.forget(block(1), Location::host);
  EXPECT_EQ(ledger.live_total(Location::host), 0);
  EXPECT_EQ(ledger.live_total(Location::device), 900);
}

TEST(Ledger, AnUnknownBlockIsNothingToForget) {
  Ledger ledger;
  ledger.record(block(1), 100, Location::host, Class::data, "slot");
  ledger.forget(block(2), Location::host);
  ledger.forget(nullptr, Location::host);
  EXPECT_EQ(ledger.live_total(Location::host), 100);
}

TEST(Ledger, ABlockRecordedTwiceCountsOnceWithTheLaterFigures) {
  Ledger ledger;
  ledger.record(block(1), 100, Location::host, Class::data, "slot");
  ledger.record(block(1), 30, Location::host, Class::checkpoint, "staging");
  EXPECT_EQ(of(ledger.live(Location::host), Class::data), 0);
  EXPECT_EQ(of(ledger.live(Location::host), Class::checkpoint), 30);
}

TEST(Ledger, KeepsPeaksByStage) {
  Ledger ledger;
  ledger.record(block(1), 50, Location::host, Class::parameters, "all");
  ledger.enter(Stage::forward);
  ledger.record(block(2), 400, Location::host, Class::activations, "h");
  ledger.record(block(3), 100, Location::host, Class::activations, "h");
  ledger.forget(block(2), Location::host);
  ledger.enter(Stage::backward);
  ledger.record(block(4), 70, Location::host, Class::gradients, "g");
  ledger.forget(block(3), Location::host);

  EXPECT_EQ(of(ledger.peak(Location::host, Stage::setup), Class::parameters), 50);
  EXPECT_EQ(of(ledger.peak(Location::host, Stage::setup), Class::activations), 0);
  EXPECT_EQ(of(ledger.peak(Location::host, Stage::forward), Class::parameters),
            50);  // alive when it was entered
  EXPECT_EQ(of(ledger.peak(Location::host, Stage::forward), Class::activations), 500);
  EXPECT_EQ(of(ledger.peak(Location::host, Stage::backward), Class::activations), 100);
  EXPECT_EQ(of(ledger.peak(Location::host, Stage::backward), Class::gradients), 70);
  EXPECT_EQ(of(ledger.peak(Location::host, Stage::update), Class::parameters), 0);  // not entered
  EXPECT_EQ(ledger.peak_total(Location::host), 550);
}

TEST(Ledger, ThePeakOfTheTotalIsNotTheSumOfThePeaks) {
  Ledger ledger;
  ledger.record(block(1), 300, Location::host, Class::activations, "h");
  ledger.forget(block(1), Location::host);
  ledger.record(block(2), 200, Location::host, Class::gradients, "g");
  EXPECT_EQ(ledger.peak_total(Location::host), 300);
  EXPECT_EQ(of(ledger.run_peak(Location::host), Class::activations), 300);
  EXPECT_EQ(of(ledger.run_peak(Location::host), Class::gradients), 200);
}

TEST(Ledger, ResettingPeaksLeavesWhatIsAliveAndTheRunsOwn) {
  Ledger ledger;
  ledger.enter(Stage::forward);
  ledger.record(block(1), 300, Location::host, Class::activations, "h");
  ledger.record(block(2), 40, Location::host, Class::activations, "h");
  ledger.forget(block(1), Location::host);
  ledger.enter(Stage::setup);
  ledger.reset_peaks();
  EXPECT_EQ(of(ledger.peak(Location::host, Stage::forward), Class::activations), 0);
  EXPECT_EQ(of(ledger.peak(Location::host, Stage::setup), Class::activations), 40);
  EXPECT_EQ(ledger.peak_total(Location::host), 40);
  EXPECT_EQ(of(ledger.run_peak(Location::host), Class::activations), 340);
  EXPECT_EQ(ledger.run_peak_total(Location::host), 340);
}

TEST(Ledger, ListsOwnersLargestFirstWithTheirBlocks) {
  Ledger ledger;
  ledger.record(block(1), 10, Location::host, Class::activations, "small");
  ledger.record(block(2), 500, Location::host, Class::activations, "large");
  ledger.record(block(3), 500, Location::host, Class::activations, "large");
  ledger.record(block(4), 99, Location::host, Class::workspace, "gone");
  ledger.forget(block(4), Location::host);
  const auto owners = ledger.owners(Location::host);
  ASSERT_EQ(owners.size(), 2U);
  EXPECT_EQ(owners[0].owner, "large");
  EXPECT_EQ(owners[0].bytes, 1000);
  EXPECT_EQ(owners[0].blocks, 2);
  EXPECT_EQ(owners[1].owner, "small");
  EXPECT_EQ(owners[1].cls, Class::activations);
}

TEST(Ledger, OneNameUnderTwoClassesIsTwoOwners) {
  Ledger ledger;
  ledger.record(block(1), 10, Location::host, Class::parameters, "decoder");
  ledger.record(block(2), 20, Location::host, Class::gradients, "decoder");
  ASSERT_EQ(ledger.owners(Location::host).size(), 2U);
  EXPECT_EQ(of(ledger.live(Location::host), Class::gradients), 20);
}

TEST(Ledger, ScopesGiveTheStageBack) {
  Ledger ledger;
  ledger.enter(Stage::update);
  {
    const StageScope save(ledger, Stage::save);
    EXPECT_EQ(ledger.stage(), Stage::save);
  }
  EXPECT_EQ(ledger.stage(), Stage::update);
}

TEST(Ledger, CountsExactlyFromManyThreads) {
  Ledger ledger;
  std::vector<std::thread> threads;
  for (std::uintptr_t t = 0; t < 4; ++t) {
    threads.emplace_back([&ledger, t] {
      for (std::uintptr_t i = 1; i <= 20'000; ++i) {
        ledger.record(block(t * 100'000 + i), 8, Location::host, Class::workspace, "thread");
        if (i % 4 != 0) ledger.forget(block(t * 100'000 + i), Location::host);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger.live_total(Location::host), 4 * 5'000 * 8);
}

TEST(Ledger, AShortageNamesStageClassOwnerAndWhatIsAlive) {
  Ledger ledger;
  ledger.record(block(1), 3 << 20, Location::device, Class::optimizer, "moments");
  ledger.enter(Stage::backward);
  const std::string text = out_of_memory_message(
      ledger, nullptr,
      {Location::device, 5 << 20, Class::gradients, "bucket 3", 1 << 20, "the device has 8.0 MiB"});
  EXPECT_NE(text.find("device memory in stage backward"), std::string::npos) << text;
  EXPECT_NE(text.find("5.0 MiB requested by gradients / bucket 3"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  limit: the device has 8.0 MiB"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  free: unknown"), std::string::npos) << "without a device: " << text;
  EXPECT_NE(text.find("\n  live: optimizer 3.0 MiB"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  largest owners: optimizer / moments 3.0 MiB"), std::string::npos) << text;
}

TEST(LedgerPhases, AreCountedFromWhatIsAliveAtTheirStart) {
  Ledger ledger;
  ledger.record(block(1), 100, Location::host, Class::parameters, "w");
  ledger.enter_phase("discriminator");
  ledger.record(block(2), 50, Location::host, Class::activations, "h");
  ledger.enter_phase("discriminator");  // its second run
  ledger.forget(block(2), Location::host);
  ledger.record(block(3), 900, Location::host, Class::activations, "h");
  ledger.forget(block(3), Location::host);
  ledger.record(block(4), 7, Location::host, Class::gradients, "g");
  ledger.enter_phase("generator");
  const auto phases = ledger.phase_peaks(Location::host);
  ASSERT_EQ(phases.size(), 2U);
  EXPECT_EQ(of(phases[0].at_start, Class::parameters), 100);
  EXPECT_EQ(of(phases[0].at_start, Class::activations), 50) << "of its second run";
  EXPECT_EQ(of(phases[0].peak, Class::activations), 900);
  EXPECT_EQ(of(phases[1].at_start, Class::activations), 0);
  EXPECT_EQ(of(phases[1].at_start, Class::gradients), 7);
  ledger.reset_peaks();
  EXPECT_TRUE(ledger.phase_peaks(Location::host).empty());
}

TEST(LedgerPhases, TotalsOfTheRunOutliveThoseOfAStep) {
  Ledger ledger;
  ledger.record(block(1), 100, Location::host, Class::parameters, "w");
  for (const int bytes : {50, 30}) {
    ledger.enter_phase("generator");
    ledger.record(block(2), bytes, Location::host, Class::activations, "h");
    ledger.enter_phase("");
    ledger.forget(block(2), Location::host);
    ledger.record(block(3), 900, Location::host, Class::data, "saved in no phase");
    ledger.forget(block(3), Location::host);
    ledger.reset_peaks();
  }
  ledger.enter_phase("discriminator");
  const std::vector<PhaseTotal> totals = ledger.run_phase_totals(Location::host);
  ASSERT_EQ(totals.size(), 2U);
  EXPECT_EQ(totals[0].phase, "generator");
  EXPECT_EQ(totals[0].bytes, 150);
  EXPECT_EQ(totals[1].phase, "discriminator");
  EXPECT_EQ(totals[1].bytes, 100) << "what was live when it was entered";
}

TEST(LedgerPeak, ThePeakOfTheRunHasItsMomentAlsoAfterThePeaksOfAStepAreReset) {
  Ledger ledger;
  const auto host = Ledger::Location::host;
  EXPECT_TRUE(ledger.run_peak_point(host).owner.empty());
  char blocks[3];
  ledger.record(&blocks[0], 100, host, Class::parameters, "block0");
  ledger.enter_phase("generator");
  ledger.enter(Stage::backward);
  ledger.record(&blocks[1], 50, host, Class::activations, "block1");
  ledger.forget(&blocks[1], host);
  ledger.record(&blocks[2], 10, host, Class::workspace, "later");
  ledger.reset_peaks();
  const PeakPoint point = ledger.run_peak_point(host);
  EXPECT_EQ(point.stage, Stage::backward);
  EXPECT_EQ(point.phase, "generator");
  EXPECT_EQ(point.cls, Class::activations);
  EXPECT_EQ(point.owner, "block1");
  EXPECT_EQ(std::accumulate(point.live.begin(), point.live.end(), std::int64_t{0}),
            ledger.run_peak_total(host));
}

}  // namespace
}  // namespace ebb::memory
