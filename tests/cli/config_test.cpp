// SPDX-License-Identifier: Apache-2.0
// The command `config` with families that the shipped program does not have.
#include "train/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>

#include "cli/commands.h"
#include "models/families.h"
#include "support/process.h"

namespace ebb::cli {
namespace {

using ::testing::HasSubstr;

struct PairConfig {
  std::int64_t width = 4;
  void describe(config::Section& s) { s.integer("pair_width", width).at_least(1).doc("Width."); }
};

// A family of two trainees, described without its model.
train::Registries with_a_pair() {
  models::Families families = models::described_families();
  models::Family pair;
  pair.name = "pair";
  pair.reads = {std::string(core::kImageField)};
  pair.trainees = {"critic", "painter"};
  pair.new_config = [] { return std::make_unique<models::FamilyConfigOf<PairConfig>>(); };
  families.push_back(std::move(pair));
  return {families, data::builtin_formats()};
}

class ConfigCommand : public ::testing::Test {
 protected:
  // The output of `ebb config FILE overrides…`.
  std::string printed(const std::vector<std::string>& overrides) {
    std::ofstream(file_) << "run: {name: pair}\nmodel: {kind: pair}\ndata: {source: x}\n";
    std::vector<std::string> words{"ebb", "config", file_};
    words.insert(words.end(), overrides.begin(), overrides.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    CLI::App app;
    Invocation invocation{static_cast<int>(argv.size()), argv.data(), with_a_pair(), {}};
    add_config(app, invocation);
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(run_program(app, invocation), 0);
    std::fflush(stdout);
    return ::testing::internal::GetCapturedStdout();
  }
  test::TemporaryFolder folder_;
  std::string file_ = folder_ / "pair.yaml";
};

TEST_F(ConfigCommand, ATraineesKeysDefaultToTheSectionOptimizer) {
  const std::string text = printed({"optimizer.lr=0.004", "painter.optimizer.beta1=0.5"});
  EXPECT_THAT(text, HasSubstr("critic:\n  optimizer:\n    lr: 0.004\n    beta1: 0.9\n"));
  EXPECT_THAT(text, HasSubstr("painter:\n  optimizer:\n    lr: 0.004\n    beta1: 0.5\n"));
}

// A checkpoint and `import` keep such a text.
TEST_F(ConfigCommand, TheConfigurationOfTwoTraineesResolvesToItself) {
  const std::string text = printed({"optimizer.lr=0.004", "painter.optimizer.beta1=0.5"});
  train::Config again(with_a_pair());
  train::load_text(again, text, "resolved", {});
  EXPECT_EQ(again.trainee("critic").optimizer.lr, 0.004);
  EXPECT_EQ(again.trainee("painter").optimizer.beta1, 0.5);
  train::Config shorter(with_a_pair());
  train::load_text(shorter,
                   "{run: {name: pair}, model: {kind: pair}, data: {source: x}, optimizer: {lr: 0.004}}",
                   "short", {});
  EXPECT_EQ(shorter.trainee("critic").optimizer.lr, 0.004);
}

}  // namespace
}  // namespace ebb::cli
