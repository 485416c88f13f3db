// SPDX-License-Identifier: Apache-2.0
// Parameters that get several gradients in a backward pass, or none.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "parallel/gradient_reducer.h"
#include "support/test_world.h"

namespace ebb::parallel {
namespace {

using testing::HasSubstr;

// Counts the collectives that are started.
class CountingCommunicator final : public comm::Communicator {
 public:
  CountingCommunicator()
      : inner_(comm::make_communicator(test::test_world(), comm::Backend::automatic, 60, at::kCPU)) {}
  [[nodiscard]] int rank() const override { return inner_->rank(); }
  [[nodiscard]] int size() const override { return inner_->size(); }
  [[nodiscard]] std::string_view backend() const override { return inner_->backend(); }
  [[nodiscard]] std::unique_ptr<comm::Work> start(comm::Collective collective) override {
    ++started;
    return inner_->start(std::move(collective));
  }
  void abort(std::string_view reason) override { inner_->abort(reason); }
  int started = 0;

 private:
  std::unique_ptr<comm::Communicator> inner_;
};

constexpr int kParameters = 3;

class GradientCount : public testing::Test {
 protected:
  void make(std::int64_t bucket_bytes, std::vector<std::int64_t> gradients_per_backward = {1, 1, 1},
            std::int64_t micro_batches = 1) {
    for (int i = 0; i < kParameters; ++i)
      parameters.push_back({std::string("p") + std::to_string(i),
                            at::ones({4}).requires_grad_(true),
                            true,
                            {},
                            gradients_per_backward[static_cast<std::size_t>(i)]});
    reducer = std::make_unique<GradientReducer>(parameters, communicator, bucket_bytes, micro_batches);
  }
  // Its gradient is `factor` on every rank.
  void backward_of(int parameter, double factor = 1) { (weight(parameter).sum() * factor).backward(); }
  at::Tensor& weight(int parameter) { return parameters[static_cast<std::size_t>(parameter)].tensor; }
  static at::Tensor all(double value) { return at::full({4}, value); }
  static double ranks() { return test::test_world().size(); }
  std::string error_of(const std::function<void()>& call) {
    try {
      call();
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::internal);
      return error.what();
    }
  }

  CountingCommunicator communicator;
  std::vector<core::Parameter> parameters;
  std::unique_ptr<GradientReducer> reducer;
};

constexpr std::int64_t kOneBucket = 1 << 20, kBucketOfEach = 16;

TEST_F(GradientCount, ASecondBackwardIsAdded) {
  make(kOneBucket, {2, 2, 2});
  reducer->begin_micro_batch({});
  for (const double factor : {1.0, 2.0})
    for (int i = 0; i < kParameters; ++i) backward_of(i, factor);
  const auto gradients = reducer->finish();
  for (const at::Tensor& gradient : gradients) EXPECT_TRUE(at::equal(gradient, all(3 * ranks())));
}

TEST_F(GradientCount, ASecondGradientStartsNoBucketEarly) {
  make(kOneBucket);
  reducer->begin_micro_batch({});
  for (int i = 0; i < kParameters; ++i) backward_of(2);
  EXPECT_EQ(communicator.started, 0);
  backward_of(1);
  backward_of(0);
  EXPECT_EQ(communicator.started, 1);
  const auto gradients = reducer->finish();
  EXPECT_TRUE(at::equal(gradients[2], all(3 * ranks())));
  EXPECT_TRUE(at::equal(gradients[0], all(ranks())));
}

TEST_F(GradientCount, ABucketWaitsForTheDeclaredCount) {
  make(kBucketOfEach, {1, 1, 2});
  reducer->begin_micro_batch({});
  backward_of(2);
  backward_of(1);
  EXPECT_EQ(communicator.started, 0) << "buckets start in order, and the first one waits";
  backward_of(2);
  EXPECT_EQ(communicator.started, 2);
  backward_of(0);
  EXPECT_EQ(communicator.started, 3);
  EXPECT_TRUE(at::equal(reducer->finish()[2], all(2 * ranks())));
}

TEST_F(GradientCount, ABucketWithAnUnknownCountWaitsForTheEndOfBackward) {
  make(kBucketOfEach, {1, 1, 0});
  reducer->begin_micro_batch({});
  for (int i = kParameters; i-- > 0;) backward_of(i);
  backward_of(2);
  EXPECT_EQ(communicator.started, 0);
  EXPECT_TRUE(at::equal(reducer->finish()[2], all(2 * ranks())));
  EXPECT_EQ(communicator.started, 3);
}

TEST_F(GradientCount, FewerThanDeclaredAreReducedAtTheEnd) {
  make(kBucketOfEach, {1, 1, 2});
  reducer->begin_micro_batch({});
  for (int i = kParameters; i-- > 0;) backward_of(i);
  EXPECT_TRUE(at::equal(reducer->finish()[2], all(ranks())));
}

TEST_F(GradientCount, OneMoreThanDeclaredIsRefusedByName) {
  make(kBucketOfEach);
  reducer->begin_micro_batch({});
  backward_of(2);
  EXPECT_THAT(error_of([&] { backward_of(2); }), HasSubstr("parameter p2 got a gradient after its bucket"));
  weight(2).mutable_grad().reset();
  backward_of(1);
  backward_of(0);
  EXPECT_TRUE(at::equal(reducer->finish()[2], all(ranks())));
}

TEST_F(GradientCount, EachMicroBatchIsCountedByItself) {
  make(kBucketOfEach, {1, 1, 2}, 2);
  for (const bool last : {false, true}) {
    reducer->begin_micro_batch({.last = last});
    for (int pass = 0; pass < 2; ++pass) backward_of(2);
    EXPECT_EQ(communicator.started, last ? 1 : 0);
    for (const int i : {1, 0}) backward_of(i);
  }
  const auto gradients = reducer->finish();
  EXPECT_TRUE(at::equal(gradients[2], all(4 * ranks())));
  EXPECT_TRUE(at::equal(gradients[1], all(2 * ranks())));
}

TEST_F(GradientCount, AStepThatHasEndedLeavesNoCountToTheNextOne) {
  make(kBucketOfEach);
  reducer->begin_micro_batch({});
  for (int i = kParameters; i-- > 0;) backward_of(i);
  (void)reducer->finish();
  communicator.started = 0;
  for (int i = kParameters; i-- > 0;) backward_of(i);
  EXPECT_EQ(communicator.started, 0) << "nothing is expected";
  const auto gradients = reducer->finish();
  EXPECT_TRUE(at::equal(gradients[2], all(ranks())));
}

TEST_F(GradientCount, AParameterOfAnEarlierMicroBatchAloneIsReduced) {
  make(kBucketOfEach, {1, 1, 1}, 2);
  reducer->begin_micro_batch({.last = false});
  for (int i = 0; i < kParameters; ++i) backward_of(i);
  reducer->begin_micro_batch({.last = true});
  backward_of(0);
  const auto gradients = reducer->finish();
  EXPECT_TRUE(at::equal(gradients[0], all(2 * ranks())));
  EXPECT_TRUE(at::equal(gradients[2], all(ranks())));
}

// Computes w * x without a graph, and again in backward, as recomputation does. A backward within the
// backward computes w's gradient.
struct Recomputed : torch::autograd::Function<Recomputed> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& w) {
    context->save_for_backward({x});
    context->saved_data["w"] = w;
    const at::NoGradGuard no_grad;
    return w * x;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const at::AutoGradMode grad(true);
    const at::Tensor x = context->get_saved_variables()[0].detach().requires_grad_(true);
    const at::Tensor w = context->saved_data["w"].toTensor();
    (w * x).backward(gradients[0]);
    return {x.grad(), at::Tensor()};
  }
};

TEST_F(GradientCount, ATiedWeightInANestedBackwardIsSummed) {
  for (const std::int64_t declared : {2, 0}) {
    parameters.clear();
    reducer.reset();
    make(kBucketOfEach, {1, 1, declared});
    reducer->begin_micro_batch({});
    const at::Tensor hidden = weight(0) * weight(1);
    // 5 from the use outside, 1 from within.
    (Recomputed::apply(hidden, weight(2)).sum() + 5 * weight(2).sum()).backward();
    EXPECT_TRUE(at::equal(reducer->finish()[2], all(6 * ranks()))) << declared;
  }
}

TEST_F(GradientCount, AnUnusedParameterIsNamedInEveryBucketSize) {
  for (const std::int64_t bucket : {kOneBucket, kBucketOfEach}) {
    parameters.clear();
    reducer.reset();
    make(bucket);
    reducer->begin_micro_batch({});
    backward_of(2);
    backward_of(0);
    EXPECT_THAT(error_of([&] { (void)reducer->finish(); }), HasSubstr("parameter p1 got no gradient"));
  }
}

TEST_F(GradientCount, WhereAPhaseAllowsItAnUnusedParameterHasAZeroGradient) {
  for (const std::int64_t bucket : {kOneBucket, kBucketOfEach}) {
    parameters.clear();
    reducer.reset();
    make(bucket);
    reducer->begin_micro_batch({.allow_unused = true});
    backward_of(1);
    const auto gradients = reducer->finish();
    EXPECT_TRUE(at::equal(gradients[0], all(0)));
    EXPECT_TRUE(at::equal(gradients[1], all(ranks())));
    EXPECT_TRUE(at::equal(gradients[2], all(0)));
  }
}

TEST_F(GradientCount, WhatOneRankAloneTouchesIsTheSameOnAll) {
  make(kBucketOfEach);
  for (int step = 0; step < 2; ++step) {
    reducer->begin_micro_batch({.allow_unused = true});
    if (test::test_world().rank() == 0) backward_of(2);
    if (test::test_world().rank() == test::test_world().size() - 1) backward_of(0, 4);
    const auto gradients = reducer->finish();
    EXPECT_TRUE(at::equal(gradients[2], all(1)));
    EXPECT_TRUE(at::equal(gradients[1], all(0)));
    EXPECT_TRUE(at::equal(gradients[0], all(4)));
  }
}

}  // namespace
}  // namespace ebb::parallel
