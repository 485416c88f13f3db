// SPDX-License-Identifier: Apache-2.0
#include "telemetry/memory_log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "memory/block_cache.h"
#include "support/folder_test.h"

namespace ebb::telemetry {
namespace {

using Json = nlohmann::json;
using memory::BlockCache;
using memory::Class;
using memory::Ledger;
using memory::Stage;

// The keys of a line. memory_log_doc_test.cpp compares docs/memory-log.md with the output.
const std::set<std::string> kKeys = {"step",   "time_s",     "rank",         "ranks",   "host",
                                     "live",   "peak",       "stages",       "outside", "cgroup",
                                     "kept",   "live_total", "peak_total",   "blocks",  "resident",
                                     "device", "predicted",  "peak_resident"};

std::set<std::string> keys(const Json& object) {
  std::set<std::string> out;
  for (const auto& [key, value] : object.items()) out.insert(key);
  return out;
}

class MemoryLogTest : public test::FolderTest {
 protected:
  MemoryLogTest() {
    ledger_.record(block(1), 1000, Ledger::Location::host, Class::parameters, "decoder");
    ledger_.enter(Stage::forward);
    ledger_.reset_peaks();
    ledger_.record(block(2), 500, Ledger::Location::host, Class::activations, "decoder");
    ledger_.forget(block(2), Ledger::Location::host);
    ledger_.enter(Stage::setup);
  }
  static const void* block(std::uintptr_t number) { return reinterpret_cast<const void*>(number * 64); }
  [[nodiscard]] MemoryLog log(std::int64_t every = 1, std::int64_t first_step = 0) const {
    memory::MemoryConfig config;
    config.log_every = every;
    return {folder_, 3, "node-a", ledger_, &cache_, c10::kCPU, config, first_step};
  }
  [[nodiscard]] std::vector<Json> lines() const {
    std::vector<Json> out;
    std::istringstream text(contents("memory/rank-00003.jsonl"));
    for (std::string line; std::getline(text, line);) out.push_back(Json::parse(line));
    return out;
  }
  [[nodiscard]] std::vector<std::int64_t> steps() const {
    std::vector<std::int64_t> out;
    for (const Json& line : lines()) out.push_back(line["step"]);
    return out;
  }
  Ledger ledger_;
  BlockCache cache_;
};

TEST_F(MemoryLogTest, ALineHasTheDocumentedKeys) {
  log().write(7);
  const auto written = lines();
  ASSERT_EQ(written.size(), 1U);
  const Json& line = written[0];
  EXPECT_EQ(keys(line), kKeys);
  EXPECT_EQ(line["step"], 7);
  EXPECT_EQ(line["rank"], 3);
  EXPECT_EQ(line["host"], "node-a");
  EXPECT_GT(line["time_s"].get<double>(), 1.7e9);
  EXPECT_TRUE(line["predicted"].is_null());
}

TEST_F(MemoryLogTest, HasTheExactBytesOfTheLedger) {
  log().write(0);
  const Json line = lines().at(0);
  EXPECT_EQ(line["live"].size(), 8U);
  EXPECT_EQ(line["live"]["parameters"], 1000);
  EXPECT_EQ(line["live"]["activations"], 0);
  EXPECT_EQ(line["peak"]["activations"], 500);
  EXPECT_EQ(line["live_total"], 1000);
  EXPECT_EQ(line["peak_total"], 1500);
  EXPECT_EQ(line["blocks"], 1);  // since the peaks were reset
}

TEST_F(MemoryLogTest, StagesAndClassesWithoutBytesAreLeftOut) {
  log().write(0);
  const Json stages = lines().at(0)["stages"];
  EXPECT_EQ(keys(stages), (std::set<std::string>{"forward", "setup"}));
  EXPECT_EQ(stages["forward"], Json::parse(R"({"parameters": 1000, "activations": 500})"));
  EXPECT_EQ(stages["setup"], Json::parse(R"({"parameters": 1000})"));
}

TEST_F(MemoryLogTest, ReportsTheBytesOutsideTheLedger) {
  log().write(0);
  const Json line = lines().at(0);
  EXPECT_GT(line["resident"].get<std::int64_t>(), 0);
  EXPECT_GE(line["peak_resident"].get<std::int64_t>(), line["resident"].get<std::int64_t>() / 2);
  EXPECT_EQ(line["outside"].get<std::int64_t>(), line["resident"].get<std::int64_t>() - 1000);
  EXPECT_EQ(keys(line["cgroup"]), (std::set<std::string>{"limit", "used"}));
}

TEST_F(MemoryLogTest, ReportsWhatTheCacheKeeps) {
  cache_.deallocate(cache_.allocate(1 << 20), 1 << 20);
  log().write(0);
  EXPECT_EQ(lines().at(0)["kept"], 1 << 20);
}

TEST_F(MemoryLogTest, DeviceIsNullOnACpu) {
  log().write(0);
  EXPECT_TRUE(lines().at(0)["device"].is_null());
}

TEST_F(MemoryLogTest, ALineIsShortIfItsStepHadTheSameBytes) {
  MemoryLog log = this->log();
  const std::set<std::string> few = {"step", "time_s", "live_total", "peak_total", "resident"};
  for (int step = 0; step < 3; ++step) log.write(1'000'000 + step);
  ledger_.reset_peaks();
  ledger_.record(block(2), 400, Ledger::Location::host, Class::activations, "decoder");
  ledger_.forget(block(2), Ledger::Location::host);
  for (int step = 3; step < 5; ++step) log.write(1'000'000 + step);
  const auto written = lines();
  ASSERT_EQ(written.size(), 5U);
  EXPECT_EQ(keys(written[0]), kKeys);
  EXPECT_EQ(keys(written[2]), few);
  EXPECT_EQ(written[2]["peak_total"], 1500);
  EXPECT_EQ(written[2]["live_total"], 1000);
  EXPECT_EQ(keys(written[3]), kKeys) << "its peak differs";
  EXPECT_EQ(keys(written[4]), few);
}

TEST_F(MemoryLogTest, APhaseHasTheBytesAtItsStart) {
  ledger_.enter_phase("discriminator");
  ledger_.record(block(2), 500, Ledger::Location::host, Class::activations, "decoder");
  ledger_.forget(block(2), Ledger::Location::host);
  ledger_.record(block(3), 70, Ledger::Location::host, Class::gradients, "bucket");
  ledger_.enter_phase("generator");
  log().write(0);
  const Json phases = lines().at(0).at("phases");
  EXPECT_EQ(phases.at("discriminator").at("activations"), 500);
  EXPECT_EQ(phases.at("discriminator").at("at_start").at("parameters"), 1000);
  EXPECT_EQ(phases.at("discriminator").at("at_start").at("gradients"), 0);
  EXPECT_EQ(phases.at("generator").at("at_start").at("activations"), 0);
  EXPECT_EQ(phases.at("generator").at("at_start").at("gradients"), 70);
}

// The last step has its block before the phase begins, which changes no maximum.
TEST_F(MemoryLogTest, ALineIsWholeIfOnlyTheStartOfAPhaseDiffers) {
  MemoryLog log = this->log();
  for (const bool before : {false, false, true}) {
    ledger_.reset_peaks();
    if (!before) ledger_.enter_phase("generator");
    ledger_.record(block(2), 500, Ledger::Location::host, Class::activations, "decoder");
    if (before) ledger_.enter_phase("generator");
    ledger_.forget(block(2), Ledger::Location::host);
    log.write(static_cast<std::int64_t>(lines().size()));
  }
  const auto written = lines();
  ASSERT_EQ(written.size(), 3U);
  EXPECT_FALSE(written[1].contains("live"));
  EXPECT_TRUE(written[2].contains("live"));
  EXPECT_EQ(written[0].at("phases").at("generator").at("activations"), 500);
  EXPECT_EQ(written[2].at("phases").at("generator").at("activations"), 500);
  EXPECT_EQ(written[2].at("phases").at("generator").at("at_start").at("activations"), 500);
}

TEST_F(MemoryLogTest, TheLineOfASaveOrAnEvaluationIsWholeEvenIfAllAreEqual) {
  MemoryLog log = this->log();
  for (int step = 0; step < 3; ++step) {
    ledger_.reset_peaks();
    ledger_.enter(Stage::evaluate);
    ledger_.enter(Stage::setup);
    log.write(step);
  }
  for (const Json& line : lines()) EXPECT_TRUE(line.contains("live"));
}

// The short line of the largest run that it is meant for.
TEST_F(MemoryLogTest, AShortLineHasAtMost120Bytes) {
  memory::SystemMemory system;
  system.resident = 99'999'999'999;
  ledger_.record(block(5), 90'000'000'000, Ledger::Location::host, Class::parameters, "decoder");
  EXPECT_LE(short_memory_line(9'999'999, 1764600000.123, ledger_, system).size() + 1, 120U);
}

TEST_F(MemoryLogTest, AWholeLineComesAtLeastEvery1001Lines) {
  MemoryLog log = this->log();
  for (int step = 0; step < 2500; ++step) log.write(step);
  std::int64_t last_whole = 0;
  for (const Json& line : lines()) {
    if (line.contains("live")) last_whole = line["step"];
    EXPECT_LE(line["step"].get<std::int64_t>() - last_whole, 1000);
  }
  EXPECT_GE(last_whole, 1001);
}

TEST_F(MemoryLogTest, WritesOnlyEveryNthStep) {
  MemoryLog log = this->log(/*every=*/3);
  for (int step = 0; step < 8; ++step) log.write(step);
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{0, 3, 6}));
}

TEST_F(MemoryLogTest, AResumedRunDropsTheStepsThatItWritesAgain) {
  {
    MemoryLog first = log();
    for (int step = 0; step < 5; ++step) first.write(step);
  }
  MemoryLog second = log(1, /*first_step=*/3);
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{0, 1, 2}));
  second.write(3);
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{0, 1, 2, 3}));
}

TEST_F(MemoryLogTest, ATruncatedLineOfAKilledRunIsDropped) {
  log().write(0);
  put("memory/rank-00003.jsonl", contents("memory/rank-00003.jsonl") + R"({"step": 1, "ti)");
  log(1, 1).write(1);
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{0, 1}));
}

}  // namespace
}  // namespace ebb::telemetry
