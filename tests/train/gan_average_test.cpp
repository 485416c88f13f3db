// SPDX-License-Identifier: Apache-2.0
// The average of a generator's weights in checkpoints: its values, and its independence of the way to them.
#include "train/gan_average.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The factor of the old average after `done` steps. The half-life rises from 0 to 64 samples within 96.
double decay_after(int done) {
  const double half_life = 64 * std::min(1.0, done * kBatch / 96.0);
  return half_life > 0 ? std::exp2(-kBatch / half_life) : 0;
}

// The largest difference of an element; `others` has every name of `some`.
double largest_difference(const Tensors& some, const Tensors& others) {
  at::Tensor largest = at::zeros({1}, at::kDouble);
  for (const auto& [name, tensor] : some) {
    const at::Tensor difference = tensor.to(at::kDouble) - others.at(name).to(at::kDouble);
    largest = at::maximum(largest, difference.abs().max());  // NaN if any element is
  }
  return largest.item<double>();
}

TEST_F(GanAverage, IsTheRecurrenceOverTheWeightsOfEachStep) {
  Tensors expected;
  for (int steps = 1; steps <= kLastStep; ++steps) {
    SCOPED_TRACE(steps);
    const Tensors weights = weights_of("averaged", steps);
    const checkpoint::LoadedPart found = average_of("averaged", steps);
    ASSERT_FALSE(found.tensors.empty());
    EXPECT_EQ(found.values.at("updates"), steps);
    const double decay = decay_after(steps - 1);
    for (const auto& [name, tensor] : found.tensors) {
      EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
      const at::Tensor now = weights.at(name).to(at::kDouble);
      expected[name] = steps == 1 ? now : expected.at(name) * decay + now * (1 - decay);
    }
    EXPECT_LE(largest_difference(found.tensors, expected), 5e-6);
    if (steps == kLastStep) {
      EXPECT_GT(largest_difference(found.tensors, weights), 1e-3) << "it should follow slowly";
    }
  }
}

TEST_F(GanAverage, HasOneUpdateForAStepOfAnyNumberOfMicroBatches) {
  const checkpoint::LoadedPart one = average_of("averaged", kLastStep);
  const double lag = largest_difference(one.tensors, weights_of("averaged", kLastStep));
  for (const int count : {2, 4}) {
    const std::string name = "micro-" + std::to_string(count);
    const ProcessResult result = run_gan(name, {"data.micro_batches=" + std::to_string(count)});
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const checkpoint::LoadedPart several = average_of(name, kLastStep);
    EXPECT_EQ(several.values.at("updates"), kLastStep);
    ASSERT_EQ(several.tensors.size(), one.tensors.size());
    EXPECT_LE(largest_difference(several.tensors, one.tensors), 0.01 * lag) << name;
  }
}

TEST_F(GanAverage, ARunThatResumesWithinTheRampHasTheSameBits) {
  constexpr int kFrom = 3;
  fs::create_directories(checkpoint_of("resumed", kFrom));
  fs::copy(checkpoint_of("averaged", kFrom), checkpoint_of("resumed", kFrom), fs::copy_options::recursive);
  const ProcessResult result = run_gan("resumed");
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out + result.err, HasSubstr("resumes from step 3"));
  EXPECT_EQ(average_of("resumed", kLastStep).values, average_of("averaged", kLastStep).values);
  const auto resumed = checkpoint_tensors(tiny->run_folder("resumed"));
  EXPECT_TRUE(resumed == checkpoint_tensors(tiny->run_folder("averaged")));
}

TEST_F(GanAverage, TrainingDoesNotReadIt) {
  auto with = checkpoint_tensors(tiny->run_folder("averaged"));
  const auto without = checkpoint_tensors(tiny->run_folder("plain"));
  const auto of_the_average = [](const auto& entry) {
    return entry.first.starts_with(std::string(kAveragePart) + "/");
  };
  EXPECT_GT(std::erase_if(with, of_the_average), 0U);
  EXPECT_TRUE(with == without) << "weights or moments differ";
}

}  // namespace
}  // namespace ebb::test
