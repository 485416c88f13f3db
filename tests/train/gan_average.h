// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/folders.h"
#include "checkpoint/store.h"
#include "data/format.h"
#include "memory/installed_ledger.h"
#include "models/built_in.h"
#include "support/tiny_run.h"
#include "train/gan_run.h"
#include "train/load_model.h"

namespace ebb::test {

using Tensors = std::map<std::string, at::Tensor>;

inline constexpr int kLastStep = 8;  // the ramp of the half-life ends after 6 steps
inline constexpr const char* kAveragePart = "generator.average";

// Runs of gan.yaml with an average of the generator (averaged) and without (plain), whose other keys are the
// same. They have a checkpoint of every step.
class GanAverage : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    memory::the_test_ledger();  // before the first tensor
    tiny = new TinyRun;
    make_gan_run(*tiny);
    averaged = run_gan("averaged");
    plain = run_gan("plain", {"generator.average.half_life=0"});
  }
  static void TearDownTestSuite() { delete tiny; }
  void SetUp() override {
    ASSERT_EQ(averaged.exit_code, 0) << averaged.out << averaged.err;
    ASSERT_EQ(plain.exit_code, 0) << plain.out << plain.err;
  }

  // In fp32 the weights themselves are the masters. The large eps makes the steps a smooth function of the
  // gradients: without it, the rounding of a gradient near 0 would decide the direction of a whole step.
  static ProcessResult run_gan(const std::string& name, const std::vector<std::string>& overrides = {}) {
    std::vector<std::string> all{"run.device=cpu", "checkpoint.every=1", "precision.dtype=fp32"};
    all.push_back("run.steps=" + std::to_string(kLastStep));
    for (const char* key : {"optimizer.lr=0.01", "optimizer.eps=1e-3"}) all.emplace_back(key);
    all.insert(all.end(), overrides.begin(), overrides.end());
    return run(gan_command(*tiny, 1, name, all));
  }
  static std::filesystem::path checkpoint_of(const std::string& name, int steps) {
    return checkpoint::step_folder(std::filesystem::path(tiny->run_folder(name)) / "checkpoints", steps);
  }
  static checkpoint::LoadedPart average_of(const std::string& name, int steps) {
    return checkpoint::read_part(checkpoint_of(name, steps), kAveragePart);
  }
  static Tensors weights_of(const std::string& name, int steps) {
    return checkpoint::read_part(checkpoint_of(name, steps), "model").tensors;
  }
  static train::LoadedModel load(const std::string& name) {
    return train::load_model(tiny->run_folder(name), {models::built_in_families(), data::builtin_formats()});
  }
  // The loss that `ebb evaluate` finds, and that of the run's own last evaluation.
  static double evaluated_loss(const std::string& name, const std::vector<std::string>& options = {}) {
    const std::string file = tiny->folder() / (name + ".json");
    std::vector<std::string> command = {ebb_binary(), "evaluate", tiny->run_folder(name), "--json", file};
    command.insert(command.end(), {"--samples", "0"});
    command.insert(command.end(), options.begin(), options.end());
    const ProcessResult result = run(command);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    return nlohmann::json::parse(std::ifstream(file)).at("loss").get<double>();
  }
  static double loss_of_the_run(const std::string& name) {
    const std::string file = tiny->run_folder(name) + "/results.json";
    return nlohmann::json::parse(std::ifstream(file)).at("test_loss").get<double>();
  }

  inline static TinyRun* tiny = nullptr;
  inline static ProcessResult averaged, plain;
};

}  // namespace ebb::test
