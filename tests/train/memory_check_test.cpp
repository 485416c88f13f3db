// SPDX-License-Identifier: Apache-2.0
#include "train/memory_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/unit.h"
#include "memory/cpu_allocator.h"
#include "models/built_in.h"

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
    plan_ = plan();
  }
  [[nodiscard]] MemoryPlan plan() const { return plan_steps(config_, sample_, 2, models::make_plain_runner); }
  [[nodiscard]] std::string text(std::int64_t room, int ranks = 2) const {
    return memory_shortage(config_, sample_, plan_, 2, ranks, {room, memory::kFreeMemory, 1 << 20},
                           models::make_plain_runner);
  }

  Config config_{{models::built_in_families(), data::builtin_formats()}};
  core::SampleSpec sample_{{core::image_field(1, 28, 28)}};
  MemoryPlan plan_;
};

TEST_F(MemoryShortage, ARunThatFitsHasNone) {
  EXPECT_THAT(text(2 * plan_.peak_total), IsEmpty());
  EXPECT_THAT(text(plan_.peak_total, 1), IsEmpty());
}

TEST_F(MemoryShortage, TheSuggestedNumberOfMicroBatchesFitsAndTheOneBelowDoesNot) {
  const std::int64_t room = 2 * (plan_.peak_total - (4 << 20));
  const std::string found = text(room);
  EXPECT_THAT(found, AllOf(HasSubstr("are left (free memory)"), HasSubstr("fits: at most 1 of these ranks")));
  const std::string key = "fits: data.micro_batches=";
  ASSERT_THAT(found, HasSubstr(key));
  const std::int64_t suggested = std::stoll(found.substr(found.find(key) + key.size()));
  config_.data.micro_batches = suggested;
  EXPECT_LE(2 * plan().peak_total, room);
  if (suggested > 2) {
    config_.data.micro_batches = suggested / 2;  // 256 samples of a rank: powers of two
    EXPECT_GT(2 * plan().peak_total, room);
  }
}

TEST_F(MemoryShortage, WithoutRoomNothingIsSaidToFit) {
  const std::string found = text(0);
  EXPECT_THAT(found, AllOf(HasSubstr("a step needs "), Not(HasSubstr("fits:"))));
}

TEST_F(MemoryShortage, AModelInFp32IsPlannedInBf16) {
  config_.precision.dtype = numerics::Dtype::fp32;
  plan_ = plan();
  EXPECT_THAT(text(0), HasSubstr("too large: precision.dtype=bf16 needs "));
}

// Two to the power of 40 samples have many divisors, and none of them fits.
TEST_F(MemoryShortage, AHugeBatchIsAnsweredAtOnce) {
  config_.data.batch = std::int64_t{1} << 40;
  config_.data.micro_batches = std::int64_t{1} << 20;
  plan_ = plan();
  EXPECT_THAT(text(1 << 20), HasSubstr("a step needs "));
}

}  // namespace
}  // namespace ebb::train
