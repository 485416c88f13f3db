// SPDX-License-Identifier: Apache-2.0
#include "doctor/checkup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ebb::doctor {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kMiB = 1 << 20, kGiB = 1 << 30;

RankFacts healthy(int rank = 0, const std::string& host = "one") {
  RankFacts facts;
  facts.rank = rank;
  facts.host = host;
  facts.launched = true;
  facts.versions = "ebb 0.1.0, Open MPI v4.1.4";
  facts.cpus = facts.bound_cpus = 4;
  facts.mask = "0-3";
  facts.simd_level = "AVX2";
  facts.f16c = true;
  facts.memory_total = 16 * kGiB;
  facts.memory_available = 12 * kGiB;
  facts.shm_total = facts.shm_free = 8 * kGiB;
  facts.folder = "/home/me";
  facts.disk_free = 100 * kGiB;
  facts.folder_writable = true;
  facts.no_device_reason = "no NVIDIA driver";
  facts.mpirun = "/usr/bin/mpirun";
  facts.mpirun_version = "mpirun (Open MPI) 4.1.4";
  facts.remote_shell = facts.cross_memory = true;
  facts.unix_time = 1e9;
  return facts;
}

Check check_of(const std::vector<RankFacts>& ranks, const std::string& name) {
  const std::vector<Check> checks = examine(ranks);
  const auto found =
      std::find_if(checks.begin(), checks.end(), [&](const Check& c) { return c.name == name; });
  return found == checks.end() ? Check{} : *found;
}

TEST(Checkup, AHealthyMachinePassesAllChecks) {
  const std::vector<Check> checks = examine({healthy(0), healthy(1)});
  for (const Check& check : checks) EXPECT_EQ(check.health, Health::ok) << check.name << ": " << check.found;
  EXPECT_EQ(exit_code(checks), ExitCode::ok);
}

TEST(Checkup, TooLittleMemoryForTheRanksOfAHostFails) {
  RankFacts facts = healthy();
  facts.group_limit = 600 * kMiB;
  facts.group_used = 100 * kMiB;
  EXPECT_EQ(check_of({facts}, "memory").health, Health::warn);
  RankFacts second = facts;
  second.rank = 1;
  const Check check = check_of({facts, second}, "memory");
  EXPECT_EQ(check.health, Health::fail);
  EXPECT_THAT(check.found, HasSubstr("250.0 MiB for each of 2 ranks"));
  EXPECT_EQ(exit_code(examine({facts, second})), ExitCode::memory);
}

TEST(Checkup, TheControlGroupCountsOnlyIfItsLimitIsLower) {
  RankFacts facts = healthy();
  facts.group_limit = 15 * kGiB;
  facts.group_used = 0;
  facts.memory_available = 100 * kMiB;
  EXPECT_EQ(check_of({facts}, "memory").health, Health::fail);
}

TEST(Checkup, ARankBoundToLessThanItsThreadsIsNamed) {
  RankFacts bound = healthy(1);
  bound.bound_cpus = 1;
  bound.mask = "1";
  const Check check = check_of({healthy(0), bound}, "cpu");
  EXPECT_EQ(check.health, Health::warn);
  EXPECT_THAT(check.found, HasSubstr("rank 1"));
  EXPECT_THAT(check.to_do, HasSubstr("--bind-to none"));
}

TEST(Checkup, AQuotaCountsAsFewerCpus) {
  RankFacts facts = healthy();
  facts.quota = 2;
  facts.threads = 4;
  const Check check = check_of({facts}, "cpu");
  EXPECT_EQ(check.health, Health::warn);
  EXPECT_THAT(check.to_do, HasSubstr("OMP_NUM_THREADS=2"));
}

TEST(Checkup, SharedMemoryIsCountedByRank) {
  RankFacts facts = healthy();
  facts.shm_total = facts.shm_free = 100 * kMiB;
  EXPECT_EQ(check_of({facts}, "shm").health, Health::ok);
  EXPECT_EQ(check_of({facts, healthy(1)}, "shm").health, Health::warn);
}

TEST(Checkup, AFullDiskIsAStorageError) {
  RankFacts facts = healthy();
  facts.disk_free = 50 * kMiB;
  EXPECT_EQ(exit_code(examine({facts})), ExitCode::storage);
}

TEST(Checkup, AnotherVersionOnARankFailsAndDecidesTheCode) {
  RankFacts full = healthy(0), other = healthy(1, "two");
  full.disk_free = 0;
  other.versions = "ebb 0.0.9";
  EXPECT_EQ(exit_code(examine({full, other})), ExitCode::communication);
  EXPECT_THAT(check_of({full, other}, "versions").found, HasSubstr("rank 1 on two runs ebb 0.0.9"));
}

TEST(Checkup, TheMpirunOfAnotherMpiFails) {
  RankFacts facts = healthy();
  facts.mpirun_version = "mpirun (Open MPI) 5.0.3";
  EXPECT_EQ(check_of({facts}, "mpirun").health, Health::fail);
  facts.mpirun_version = "HYDRA build details:";
  EXPECT_EQ(check_of({facts}, "mpirun").health, Health::fail);
}

TEST(Checkup, RootGetsAdviceOnStarting) {
  RankFacts facts = healthy();
  facts.root = true;
  EXPECT_THAT(check_of({facts}, "mpirun").to_do, HasSubstr("OMPI_ALLOW_RUN_AS_ROOT=1"));
  facts.root_allowed = true;
  EXPECT_EQ(check_of({facts}, "mpirun").health, Health::ok);
}

TEST(Checkup, SeveralHostsAreNamed) {
  EXPECT_THAT(check_of({healthy(0), healthy(1, "two")}, "memory").found, HasSubstr("one: "));
  EXPECT_THAT(check_of({healthy(0), healthy(1)}, "memory").found, ::testing::Not(HasSubstr("one: ")));
  RankFacts late = healthy(1, "two");
  late.unix_time += 60;
  EXPECT_EQ(check_of({healthy(0), late}, "clock").health, Health::warn);
}

TEST(Checkup, EveryWarningHasAFix) {
  RankFacts poor;
  poor.host = "poor";
  for (const Check& check : examine({poor, poor})) {
    EXPECT_EQ(check.health == Health::ok, check.to_do.empty()) << check.name;
  }
}

TEST(Facts, SurviveJson) {
  const RankFacts facts = healthy(3, "four");
  const nlohmann::json json = facts;
  EXPECT_EQ(nlohmann::json(json.get<RankFacts>()), json);
  EXPECT_EQ(json.at("host"), "four");
}

TEST(Facts, AreSetForThisMachine) {
  const RankFacts facts = inspect_machine();
  EXPECT_GE(facts.bound_cpus, 1);
  EXPECT_LE(facts.bound_cpus, facts.cpus);
  EXPECT_FALSE(facts.mask.empty());
  EXPECT_GT(facts.memory_total, facts.memory_available);
  EXPECT_GT(facts.memory_available, 0);
  EXPECT_GT(facts.disk_free, 0);
}

}  // namespace
}  // namespace ebb::doctor
