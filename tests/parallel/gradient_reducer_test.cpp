// SPDX-License-Identifier: Apache-2.0
#include "parallel/gradient_reducer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "memory/ledger.h"
#include "support/test_world.h"

namespace ebb::parallel {
namespace {

// A rank's loss is sum_i (rank + 1) * (i + 1) * sum(p_i): its gradient is known without autograd.
class GradientReducerTest : public testing::Test {
 protected:
  void make(at::ScalarType dtype, std::int64_t bucket_bytes, std::int64_t micro_batches) {
    communicator = comm::make_communicator(test::test_world(), comm::Backend::automatic, 60, at::kCPU);
    for (int i = 0; i < 5; ++i) {
      core::Parameter p;
      p.name = std::string("p").append(std::to_string(i));
      p.tensor = at::ones({i + 2, 3}, at::TensorOptions().dtype(dtype)).requires_grad_(true);
      parameters.push_back(p);
    }
    reducer = std::make_unique<GradientReducer>(parameters, *communicator, bucket_bytes, micro_batches);
  }
  at::Tensor loss(int count) {
    at::Tensor total = at::zeros({}, at::kFloat);
    for (int i = 0; i < count; ++i)
      total = total + parameters[i].tensor.sum().to(at::kFloat) * ((test::test_world().rank() + 1) * (i + 1));
    return total;
  }
  // 1 + 2 + … + ranks
  double rank_sum() const { return test::test_world().size() * (test::test_world().size() + 1) / 2.0; }

  std::vector<core::Parameter> parameters;
  std::unique_ptr<comm::Communicator> communicator;
  std::unique_ptr<GradientReducer> reducer;
};

TEST_F(GradientReducerTest, SumsOverRanksInEveryBucketSize) {
  for (const std::int64_t bucket : {1, 40, 1 << 20}) {
    parameters.clear();
    make(at::kFloat, bucket, 1);
    reducer->begin_micro_batch({.last = true});
    loss(5).backward();
    const std::vector<at::Tensor> gradients = reducer->finish();
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(gradients[i].numel(), parameters[i].tensor.numel());
      EXPECT_TRUE(at::equal(gradients[i], at::full({parameters[i].tensor.numel()}, rank_sum() * (i + 1))))
          << "bucket " << bucket;
    }
  }
}

TEST_F(GradientReducerTest, KeepsSixteenBitGradientsInTheirTypeWithoutMicroBatches) {
  make(at::kHalf, 1 << 20, 1);
  reducer->begin_micro_batch({.last = true});
  loss(5).backward();
  EXPECT_EQ(reducer->finish()[0].scalar_type(), at::kHalf);
}

TEST_F(GradientReducerTest, TellsHowLongItsCollectivesWereUnderWay) {
  make(at::kFloat, 1, 1);
  reducer->begin_micro_batch({.last = true});
  loss(5).backward();
  (void)reducer->finish();
  // A single rank has none.
  EXPECT_EQ(reducer->time().under_way_s > 0, test::test_world().size() > 1);
  EXPECT_GT(reducer->time().waited_s, 0);
}

TEST_F(GradientReducerTest, SumsMicroBatchesInFp32) {
  make(at::kHalf, 1 << 20, 2);
  for (const bool last : {false, true}) {
    reducer->begin_micro_batch({.last = last});
    // 2048 + 1 is not a half: an fp16 sum would lose the one.
    (parameters[0].tensor.sum() * (last ? 1.0 : 2048.0) + loss(5) * 0).backward();
  }
  const at::Tensor gradient = reducer->finish()[0];
  EXPECT_EQ(gradient.scalar_type(), at::kFloat);
  EXPECT_EQ(gradient[0].item<float>(), 2049.0F * static_cast<float>(test::test_world().size()));
}

TEST_F(GradientReducerTest, HoldsNothingBetweenSteps) {
  make(at::kFloat, 64, 1);
  const auto live = [] { return test::test_ledger().live_total(memory::Ledger::Location::host); };
  const std::int64_t before = live();
  for (int step = 0; step < 3; ++step) {
    reducer->begin_micro_batch({.last = true});
    loss(5).backward();
    EXPECT_GT(live(), before);  // the buckets
    {
      const auto gradients = reducer->finish();
    }
    EXPECT_EQ(live(), before);
    for (const core::Parameter& p : parameters) EXPECT_FALSE(p.tensor.grad().defined());
  }
}

TEST_F(GradientReducerTest, NamesAParameterWithoutAGradient) {
  make(at::kFloat, 1 << 20, 1);
  reducer->begin_micro_batch({.last = true});
  loss(3).backward();
  try {
    (void)reducer->finish();
    FAIL() << "p3 and p4 had no gradient";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("parameter p4 got no gradient"));
  }
}

}  // namespace
}  // namespace ebb::parallel
