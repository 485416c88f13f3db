// SPDX-License-Identifier: Apache-2.0
// The same GAN on 1, 2 and 4 ranks, in fp16: the gradients of the first step, and the losses of twenty.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "train/gan_run.h"

namespace ebb::test {
namespace {

constexpr const char* kNetworks[] = {"discriminator", "generator"};

// The first moments of each network, of all its parameters in the order of their names. With beta1 0 they are
// the gradients of the last step, summed over ranks and without the loss scale.
std::map<std::string, std::vector<float>> last_gradients(const std::string& run_folder) {
  std::map<std::string, std::vector<float>> networks;
  for (const auto& [name, bytes] : checkpoint_tensors(run_folder)) {
    const std::size_t end = name.find(".optimizer/");
    if (end == std::string::npos || !name.ends_with(".m")) continue;
    std::vector<float>& all = networks[name.substr(0, end)];
    const std::size_t before = all.size();
    all.resize(before + bytes.size() / sizeof(float));
    std::memcpy(all.data() + before, bytes.data(), bytes.size());
  }
  return networks;
}

double norm_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

// The norm of the difference, as a share of the norm of `b`.
double distance_between(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> difference;
  for (std::size_t i = 0; i < b.size(); ++i) difference.push_back(a[i] - b[i]);
  return norm_of(difference) / norm_of(b);
}

class GanRanks : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny = new TinyRun;
    make_gan_run(*tiny);
  }
  static void TearDownTestSuite() { delete tiny; }

  // Trains without evaluations. Returns the lines of the steps; none if the run fails.
  static std::vector<nlohmann::json> train(int ranks, const std::string& name,
                                           std::vector<std::string> overrides) {
    for (const char* key : {"precision.dtype=fp16", "run.evaluate_every=0", "run.sample_every=0"})
      overrides.emplace_back(key);
    const ProcessResult result = run(gan_command(*tiny, ranks, name, overrides));
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    std::vector<nlohmann::json> lines;
    if (result.exit_code != 0) return lines;
    for (nlohmann::json& line : json_lines(tiny->run_folder(name) + "/metrics.jsonl"))
      if (line.contains("phases")) lines.push_back(std::move(line));
    return lines;
  }

  // The warm-up is the default one. It keeps the first update of the discriminator small, which the generator
  // sees: Adam makes a whole step of a gradient near zero, even if its sign is rounding.
  static void compare_first_gradients(const std::string& architecture) {
    std::map<std::string, std::vector<float>> of_one_rank;
    for (const int ranks : {1, 2, 4}) {
      SCOPED_TRACE(std::to_string(ranks) + " ranks");
      const std::string name = architecture + "-" + std::to_string(ranks);
      const auto lines = train(ranks, name,
                               {"model.architecture=" + architecture, "run.steps=1", "optimizer.lr=2e-4",
                                "optimizer.schedule.warmup_steps=100"});
      ASSERT_EQ(lines.size(), 1U);
      EXPECT_GT(lines[0].at("phases").at("discriminator").at("terms").at("r1").get<double>(), 0);
      EXPECT_GT(lines[0].at("phases").at("discriminator").at("terms").at("r2").get<double>(), 0);
      const auto gradients = last_gradients(tiny->run_folder(name));
      const bool is_reference = ranks == 1;
      if (is_reference) of_one_rank = gradients;
      for (const char* network : kNetworks) {
        SCOPED_TRACE(network);
        ASSERT_TRUE(gradients.contains(network) && of_one_rank.contains(network));
        const std::vector<float>& found = gradients.at(network);
        const double norm = lines[0].at("phases").at(network).at("grad_norm").get<double>();
        EXPECT_GT(norm, 0);
        EXPECT_NEAR(norm_of(found), norm, 1e-5 * norm) << "the moments are not the gradients";
        if (is_reference) continue;
        ASSERT_EQ(found.size(), of_one_rank.at(network).size());
        EXPECT_LE(distance_between(found, of_one_rank.at(network)), 1e-3);
      }
    }
  }

  static double loss(const nlohmann::json& line, const char* network) {
    return line.at("phases").at(network).at("loss").get<double>();
  }

  static TinyRun* tiny;
};
TinyRun* GanRanks::tiny = nullptr;

TEST_F(GanRanks, GradientsOfTheFirstStepAgree) {
  compare_first_gradients("residual");
}

TEST_F(GanRanks, GradientsOfTheFirstStepAgreeForDcgan) {
  compare_first_gradients("dcgan");
}

// The first losses agree more closely, so the ranks together have the samples and noise of one rank.
TEST_F(GanRanks, LossesOfTwentyStepsAgree) {
  constexpr std::size_t kLossSteps = 20;
  std::vector<nlohmann::json> one;
  for (const int ranks : {1, 2, 4}) {
    const auto lines = train(ranks, "losses-" + std::to_string(ranks), {"run.steps=20", "optimizer.lr=5e-4"});
    ASSERT_EQ(lines.size(), kLossSteps);
    if (ranks == 1) {
      one = lines;
      continue;
    }
    for (const char* network : kNetworks)
      for (std::size_t step = 0; step < kLossSteps; ++step) {
        const double expected = loss(one[step], network);
        EXPECT_NEAR(loss(lines[step], network), expected, (step == 0 ? 1e-3 : 2e-2) * expected)
            << network << " in step " << step << " on " << ranks << " ranks";
      }
  }
  // The bound can tell a step from another one.
  for (const char* network : kNetworks) {
    double change = 0;
    for (const nlohmann::json& line : one)
      change = std::max(change, std::abs(loss(line, network) - loss(one[0], network)));
    EXPECT_GT(change, 2e-2 * loss(one[0], network)) << network;
  }
}

}  // namespace
}  // namespace ebb::test
