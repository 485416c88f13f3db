// SPDX-License-Identifier: Apache-2.0
// Who reads the average of a generator's weights, and whose its memory is.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "comm/single_communicator.h"
#include "step/trainee.h"
#include "train/gan_average.h"

namespace ebb::test {
namespace {

using nlohmann::json;

TEST_F(GanAverage, ALoadedModelHasItInTheGeneratorAlone) {
  const Tensors average = average_of("averaged", kLastStep).tensors;
  const Tensors weights = weights_of("averaged", kLastStep);
  const train::LoadedModel loaded = load("averaged");
  const core::State state = loaded.model->state();
  EXPECT_EQ(state.tensors.size(), weights.size());
  for (const auto& [name, tensor] : state.tensors) {
    const bool generates = name.starts_with("generator.");
    ASSERT_EQ(average.contains(name), generates) << name;
    EXPECT_TRUE(at::equal(tensor, generates ? average.at(name) : weights.at(name))) << name;
  }
}

// The weights of both runs are the same, as TrainingDoesNotReadIt shows.
TEST_F(GanAverage, SampleAndEvaluateTakeItUnlessRawWeightsAreAskedFor) {
  const auto picture = [](const std::string& name, const std::vector<std::string>& options = {}) {
    const std::string file = tiny->folder() / (name + ".png");
    std::vector<std::string> command = {ebb_binary(), "sample", tiny->run_folder(name), "-o", file};
    command.insert(command.end(), {"--count", "9"});
    command.insert(command.end(), options.begin(), options.end());
    const ProcessResult result = run(command);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string of_weights = picture("plain");
  EXPECT_GT(of_weights.size(), 50U);
  EXPECT_TRUE(picture("averaged") != of_weights) << "the samples are those of the weights";
  EXPECT_TRUE(picture("averaged", {"--raw-weights"}) == of_weights);
  const double with = evaluated_loss("averaged"), without = evaluated_loss("plain");
  EXPECT_NE(with, without);
  EXPECT_NEAR(evaluated_loss("averaged", {"--raw-weights"}), without, 1e-5);
  EXPECT_NEAR(with, loss_of_the_run("averaged"), 1e-5);
  EXPECT_NEAR(without, loss_of_the_run("plain"), 1e-5);
}

// The only update overflows at this loss scale. The run saves its last step all the same.
TEST_F(GanAverage, BeforeItsFirstUpdateTheWeightsAreLoaded) {
  const ProcessResult result =
      run_gan("skipped", {"run.steps=1", "precision.dtype=fp16", "precision.loss_scale.initial=1e9",
                          "precision.loss_scale.ceiling=1e9"});
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  ASSERT_EQ(average_of("skipped", 1).values.at("updates"), 0) << result.out;
  const Tensors weights = weights_of("skipped", 1);
  const train::LoadedModel loaded = load("skipped");
  const core::State state = loaded.model->state();
  EXPECT_EQ(state.tensors.size(), weights.size());
  for (const auto& [name, tensor] : state.tensors) EXPECT_TRUE(at::equal(tensor, weights.at(name))) << name;
  EXPECT_NEAR(evaluated_loss("skipped"), loss_of_the_run("skipped"), 1e-5);
}

TEST_F(GanAverage, IsAnOwnerOfItsOwnInTheLedger) {
  using memory::Class;
  std::vector<core::Parameter> parameters(1);
  parameters[0].name = "w";
  parameters[0].tensor = at::zeros({3, 5}, at::kHalf).requires_grad_();
  comm::SingleCommunicator communicator{at::kCPU};
  step::TraineePlan plan;
  plan.average.half_life = 1;
  {
    const step::Trainee trainee("generator", parameters, plan, communicator);
    EXPECT_EQ(memory::live(Class::optimizer, kAveragePart), 3 * 5 * 4);
    EXPECT_EQ(memory::live(Class::optimizer, "generator.optimizer.m"), 3 * 5 * 4);
  }
  EXPECT_EQ(memory::live(Class::optimizer, kAveragePart), 0);
}

TEST_F(GanAverage, TheMemoryLogCountsItsBytesAsThoseOfTheOptimizer) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : average_of("averaged", kLastStep).tensors)
    bytes += tensor.numel() * static_cast<std::int64_t>(sizeof(float));
  const json with = memory_lines(tiny->run_folder("averaged"), 0).back().at("live");
  const json without = memory_lines(tiny->run_folder("plain"), 0).back().at("live");
  const auto optimizer = [](const json& live) { return live.at("optimizer").get<std::int64_t>(); };
  EXPECT_GT(bytes, 0);
  EXPECT_EQ(optimizer(with) - optimizer(without), bytes);
  EXPECT_EQ(with.at("parameters"), without.at("parameters"));
}

}  // namespace
}  // namespace ebb::test
