// SPDX-License-Identifier: Apache-2.0
#include "doctor/requirements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "models/families.h"

namespace ebb::doctor {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kGiB = 1 << 30;

RankFacts rank_on(const std::string& host, std::int64_t free) {
  RankFacts facts;
  facts.host = host;
  facts.memory_available = free;
  facts.no_device_reason = "no NVIDIA driver";
  return facts;
}

Check check_of(const train::Config& config, const std::vector<RankFacts>& ranks, const std::string& name) {
  const std::vector<Check> checks = check_requirements(config, ranks);
  const auto found = std::ranges::find(checks, name, &Check::name);
  EXPECT_NE(found, checks.end()) << name;
  return found == checks.end() ? Check{} : *found;
}

TEST(Requirements, AGpuIsRequiredOnlyWhereTheConfigurationSaysSo) {
  train::Config config({models::described_families(), data::builtin_formats()});
  const std::vector<RankFacts> ranks = {rank_on("a", kGiB)};
  EXPECT_EQ(check_of(config, ranks, "device").health, Health::ok);
  config.run.device = train::DeviceKind::cuda;
  const Check fail = check_of(config, ranks, "device");
  EXPECT_EQ(fail.health, Health::fail);
  EXPECT_EQ(fail.code, ExitCode::usage);
  EXPECT_THAT(fail.found, HasSubstr("no NVIDIA driver"));
}

TEST(Requirements, AnotherNumberOfRanksIsAWarning) {
  train::Config config({models::described_families(), data::builtin_formats()});
  EXPECT_EQ(check_of(config, {rank_on("a", kGiB)}, "world").health, Health::ok);
  config.parallel.ranks = 4;
  EXPECT_EQ(check_of(config, {rank_on("a", kGiB)}, "world").health, Health::warn);
}

TEST(Requirements, RoomIsForOneCheckpointMoreThanAreKept) {
  EXPECT_EQ(check_space({kGiB, 3, 0, 4 * kGiB}).health, Health::ok);
  EXPECT_EQ(check_space({kGiB, 3, 0, 4 * kGiB - 1}).code, ExitCode::storage);
  EXPECT_EQ(check_space({kGiB, 3, 2, 2 * kGiB}).health, Health::ok) << "two exist already";
  EXPECT_EQ(check_space({kGiB, 3, 9, kGiB - 1}).health, Health::fail) << "one is written in any case";
  EXPECT_EQ(check_space({kGiB, 3, 0, -1}).health, Health::ok) << "the volume reports no free space";
}

}  // namespace
}  // namespace ebb::doctor
