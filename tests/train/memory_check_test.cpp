// SPDX-License-Identifier: Apache-2.0
#include "train/memory_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "base/error.h"
#include "core/unit.h"
#include "memory/cpu_allocator.h"
#include "models/built_in.h"
#include "train/memory_changes.h"
#include "train/resource_estimate.h"

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

// A language model on a GPU with injected figures.
class GpuCheck : public testing::Test {
 protected:
  static constexpr std::int64_t kTotal = std::int64_t{80} << 30;
  static void SetUpTestSuite() {
    if (memory::installed() == nullptr) memory::install(*new memory::Ledger);  // outlives all tensors
  }
  void SetUp() override {
    load_text(config_,
              "run: {name: x}\nmodel: {kind: gpt, layers: 2, heads: 2, dim: 64}\n"
              "data: {source: nowhere, format: tokens, tokenizer: bytes, context: 64, batch: 64}\n",
              "test", {});
    run_.sample = planned_sample(config_, {});
    const CheckedPlan fits = check(with_free(kTotal / 2));
    ASSERT_TRUE(fits.on_gpu);
    need_ = *fits.on_gpu;
    const memory::Sums& live = need_.plan.run_peak.live;
    tensors_ = std::accumulate(live.begin(), live.end(), std::int64_t{0});
  }
  [[nodiscard]] CheckedPlan check(const memory::CudaMemoryStats& stats, int ranks = 1,
                                  int capability = 90) const {
    CheckedPlan checked;
    PlannedRun run = run_;
    run.ranks = ranks;
    check_gpu(config_, run, {stats, "NVIDIA L4", ranks, capability}, checked);
    return checked;
  }
  // A GPU of which so much is free after the start of this process.
  [[nodiscard]] static memory::CudaMemoryStats with_free(std::int64_t bytes) {
    memory::CudaMemoryStats stats{};
    stats.device_total = kTotal;
    stats.device_used = kTotal - bytes;
    return stats;
  }
  [[nodiscard]] std::string refusal(std::int64_t free, int ranks = 1) const {
    try {
      (void)check(with_free(free), ranks);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::memory);
      return error.what();
    }
    return "";
  }

  Config config_{{models::built_in_families(), data::builtin_formats()}};
  models::RunnerFactory make_runner_ = models::make_plain_runner;
  PlannedRun run_{{}, 0, 1, make_runner_};
  MemoryNeed need_;
  std::int64_t tensors_ = 0;
};

// The context of this process is in use already, and the plan has it.
TEST_F(GpuCheck, ComparesTheTensorsWithWhatIsFree) {
  ASSERT_GT(need_.plan.resident, tensors_) << "the allocator keeps blocks";
  EXPECT_THAT(check(with_free(need_.plan.resident)).note, IsEmpty());
  const std::string may = check(with_free(need_.plan.resident - 1)).note;
  EXPECT_THAT(may, AllOf(HasSubstr("the run may need "), HasSubstr("free memory of NVIDIA L4; "),
                         HasSubstr(" are enough if LibTorch's allocator frees the blocks that it keeps\n")));
  EXPECT_THAT(check(with_free(tensors_)).note, HasSubstr("the run may need "));
  EXPECT_THAT(refusal(tensors_), IsEmpty());
  EXPECT_THAT(refusal(tensors_ - 1),
              AllOf(HasSubstr("the run needs at least "), HasSubstr(" of its GPU, and there are "),
                    HasSubstr(": free memory of NVIDIA L4\n  largest on each rank: "),
                    HasSubstr("\n  fits: data.micro_batches="), HasSubstr("memory.check=warn")));
}

TEST_F(GpuCheck, WithWarnItNotesTheShortage) {
  config_.memory.check = memory::MemoryCheck::warn;
  EXPECT_THAT(check(with_free(tensors_ - 1)).note,
              AllOf(HasSubstr("the run needs at least "), Not(HasSubstr("memory.check=warn"))));
}

TEST_F(GpuCheck, BlocksThatTheAllocatorHasAreThoseOfTheRun) {
  memory::CudaMemoryStats stats = with_free(tensors_ - 1);
  stats.reserved = 1;
  EXPECT_NO_THROW((void)check(stats));
}

TEST_F(GpuCheck, RanksThatShareAGpuNeedTheirSum) {
  const CheckedPlan two = check(with_free(kTotal), 2);
  ASSERT_TRUE(two.on_gpu);
  EXPECT_EQ(two.on_gpu->of_host(), 2 * two.on_gpu->of_rank_alone());
  EXPECT_THAT(refusal(tensors_, 2), HasSubstr(" of its GPU by the 2 ranks on it, and there are "));
}

TEST_F(GpuCheck, SaysNothingOfAnUnknownGpuOrAModelOfImages) {
  EXPECT_FALSE(check(with_free(0), 1, 0).on_gpu);
  Config vae{config_.registries()};
  load_text(vae, "run: {name: x}\nmodel: {kind: vae}\ndata: {source: nowhere, batch: 512}\n", "test", {});
  run_.sample = {{core::image_field(1, 28, 28)}};
  CheckedPlan images;
  check_gpu(vae, run_, {with_free(0), "NVIDIA L4"}, images);
  EXPECT_FALSE(images.on_gpu);
  EXPECT_THAT(images.note, IsEmpty());
}

}  // namespace
}  // namespace ebb::train
