// SPDX-License-Identifier: Apache-2.0
#include "train/memory_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/unit.h"
#include "memory/cpu_allocator.h"
#include "models/built_in.h"
#include "train/memory_changes.h"

namespace ebb::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class MemoryShortage : public testing::Test {
 protected:
  static void SetUpTestSuite() { memory::install(*new memory::Ledger); }  // outlives all tensors
  void SetUp() override {
    load_text(config_, "run: {name: x}\nmodel: {kind: vae}\ndata: {source: nowhere, batch: 512}\n", "test",
              {});
    need_ = need();
  }
  [[nodiscard]] MemoryNeed need() const { return {plan_memory(config_, run_), {1 << 20, 2 << 20}, 2}; }
  [[nodiscard]] std::string text(std::int64_t room) const {
    return memory_shortage(config_, run_, need_, {room, memory::kFreeMemory, false});
  }

  Config config_{{models::built_in_families(), data::builtin_formats()}};
  models::RunnerFactory make_runner_ = models::make_plain_runner;
  PlannedRun run_{{{core::image_field(1, 28, 28)}}, 0, 2, make_runner_};
  MemoryNeed need_;
};

TEST_F(MemoryShortage, ARunThatFitsHasNone) {
  EXPECT_THAT(text(need_.of_host()), IsEmpty());
  EXPECT_THAT(text(need_.of_host() - 1), Not(IsEmpty()));
  EXPECT_THAT(text(-1), IsEmpty()) << "an unknown host";
}

TEST_F(MemoryShortage, UnderABudgetOfEachRankFewerRanksDoNotHelp) {
  const std::int64_t room = need_.of_host() - (16 << 20);
  const std::string found = memory_shortage(config_, run_, need_, {room, "memory.budget is 1.0 GiB", true});
  EXPECT_THAT(found, AllOf(HasSubstr(": memory.budget is 1.0 GiB\n"), Not(HasSubstr("of these ranks here"))));
}

TEST_F(MemoryShortage, AHostNeedsThePrivatePagesOfItsRanks) {
  EXPECT_EQ(need_.of_host(), 2 * (need_.plan.resident + (1 << 20)));
  EXPECT_EQ(need_.of_rank(), need_.plan.resident + (3 << 20));
}

TEST_F(MemoryShortage, TheSuggestedNumberOfMicroBatchesFitsAndTheOneBelowDoesNot) {
  const std::int64_t room = need_.of_host() - (16 << 20);
  const std::string found = text(room);
  EXPECT_THAT(found,
              AllOf(HasSubstr(": free memory\n"), HasSubstr("fits: at most 1 of these ranks here need ")));
  const std::string key = "fits: data.micro_batches=";
  ASSERT_THAT(found, HasSubstr(key));
  const std::int64_t suggested = std::stoll(found.substr(found.find(key) + key.size()));
  config_.data.micro_batches = suggested;
  EXPECT_LE(need().of_host(), room);
  if (suggested > 2) {
    config_.data.micro_batches = suggested / 2;  // 256 samples of a rank: powers of two
    EXPECT_GT(need().of_host(), room);
  }
}

TEST_F(MemoryShortage, WithoutTheCacheARunNeedsLess) {
  const std::string found = text(need_.of_host() - 1);
  ASSERT_THAT(found, HasSubstr("fits: memory.host_cache=0 (slower) needs "));
  config_.memory.host_cache = 0;
  EXPECT_LT(need().of_host(), need_.of_host());
  EXPECT_GE(need().plan.resident, need_.plan.peak_total);
}

TEST_F(MemoryShortage, WithoutRoomNothingIsSaidToFit) {
  const std::string found = text(0);
  EXPECT_THAT(found, AllOf(HasSubstr("the run needs "), Not(HasSubstr("fits:"))));
  EXPECT_THAT(found,
              AllOf(HasSubstr("what a rank keeps between steps needs "), Not(HasSubstr("micro_batches"))))
      << "no batch is small enough";
}

// Two ranks do not fit even with the smallest micro-batches, and one does not with the present ones.
TEST_F(MemoryShortage, OneRankWithSmallerMicroBatchesIsFoundIfNoSingleChangeFits) {
  Config smallest = config_;
  smallest.data.micro_batches = 256;
  const std::int64_t least = need_with(need_, smallest, run_)->of_rank_alone();
  ASSERT_LT(least, need_.of_rank_alone());
  const std::string found = text(least);
  EXPECT_THAT(found, HasSubstr("\n  fits: 1 rank here with data.micro_batches=256 needs "));
  smallest.memory.host_cache = 0;
  const std::int64_t without_cache = need_with(need_, smallest, run_)->of_rank_alone();
  ASSERT_LT(without_cache, least);
  const std::string both = "1 rank here with data.micro_batches=256 memory.host_cache=0 needs ";
  EXPECT_THAT(text(least - 1), HasSubstr("\n  fits: " + both));
  EXPECT_THAT(text(without_cache - 1), HasSubstr("\n  too large: " + both));
}

TEST_F(MemoryShortage, AModelInFp32IsPlannedInBf16) {
  config_.precision.dtype = numerics::Dtype::fp32;
  need_ = need();
  EXPECT_THAT(text(0), HasSubstr("too large: precision.dtype=bf16 needs "));
  EXPECT_THAT(text(need_.of_host() - 1), HasSubstr("fits: precision.dtype=bf16 needs "));
}

// Two to the power of 40 samples have many divisors, and none of them fits.
TEST_F(MemoryShortage, AHugeBatchIsAnsweredAtOnce) {
  config_.data.batch = std::int64_t{1} << 40;
  config_.data.micro_batches = std::int64_t{1} << 20;
  need_ = need();
  EXPECT_THAT(text(1 << 20), HasSubstr("the run needs "));
}

}  // namespace
}  // namespace ebb::train
