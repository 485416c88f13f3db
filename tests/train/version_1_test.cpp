// SPDX-License-Identifier: Apache-2.0
// This program continues runs of ebb 0.1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A run of 0.1 that ended after 10 of its 30 steps, with its dataset.
class OldRun {
 public:
  // `renamed`: keys of its configuration by their present names, which 0.1 did not have.
  OldRun(std::string name, TinyRun::Of what, const char* dataset,
         const std::vector<std::pair<std::string, std::string>>& renamed = {})
      : name_(std::move(name)), tiny_(what) {
    fs::create_directories(tiny_.run_folder(name_));
    fs::copy(saved() / "checkpoints", tiny_.run_folder(name_) + "/checkpoints", fs::copy_options::recursive);
    fs::create_directory_symlink("data", tiny_.folder() / dataset);
    std::ifstream in(saved() / "config.yaml");
    std::string yaml{std::istreambuf_iterator<char>(in), {}};
    for (const auto& [before, now] : renamed) yaml.replace(yaml.find(before), before.size(), now);
    std::ofstream(tiny_.folder() / "old.yaml") << yaml;
  }
  [[nodiscard]] ProcessResult train(const std::vector<std::string>& overrides = {}) const {
    std::vector<std::string> argv{ebb_binary(), "train", "old.yaml"};
    argv.insert(argv.end(), overrides.begin(), overrides.end());
    ProcessOptions options;
    options.folder = tiny_.folder().path();
    return run(mpirun(2, argv), options);
  }
  [[nodiscard]] std::string folder() const { return tiny_.run_folder(name_); }
  // Of each step, from the uninterrupted run of 0.1.
  [[nodiscard]] std::map<int, double> old_losses() const {
    std::map<int, double> losses;
    for (const nlohmann::json& line : json_lines(saved() / "losses.jsonl"))
      losses[line.at("step")] = line.at("loss");
    return losses;
  }

 private:
  [[nodiscard]] fs::path saved() const { return fs::path(source_dir()) / "tests/checkpoint/v01" / name_; }
  std::string name_;
  TinyRun tiny_;
};

void expect_goes_on(const OldRun& old) {
  const ProcessResult result = old.train();
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  const auto now = losses(old.folder()), before = old.old_losses();
  ASSERT_EQ(before.size(), 30U);
  ASSERT_EQ(now.size(), 20U) << "steps 10 to 29";
  // The same numbers; only the rounding of another processor may differ.
  for (const auto& [step, loss] : now) EXPECT_NEAR(loss, before.at(step), 2e-3 * before.at(step)) << step;
  const auto manifest =
      nlohmann::json::parse(std::ifstream(old.folder() + "/checkpoints/step-00000030/manifest.json"));
  EXPECT_EQ(manifest.at("version"), 2);
}

TEST(VersionOneRun, OfImagesGoesOn) {
  expect_goes_on(OldRun("vae", TinyRun::Of::images, "images"));
}

TEST(VersionOneRun, OfTextGoesOn) {
  expect_goes_on(OldRun("gpt", TinyRun::Of::text, "text",
                        {{"parts: llama", "architecture: llama"}, {"key_heads", "kv_heads"}}));
}

TEST(VersionOneRun, AnotherConfigurationIsRefusedByThePresentKeys) {
  const OldRun old("gpt", TinyRun::Of::text, "text",
                   {{"parts: llama", "architecture: llama"}, {"key_heads: 1", "kv_heads: 2"}});
  const ProcessResult result = old.train();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("model.kv_heads: saved with 1, now 2"), Not(HasSubstr("reduction")),
                                Not(HasSubstr("optimizer.kind"))));
}

TEST(VersionOneRun, IsSampledFrom) {
  const OldRun old("vae", TinyRun::Of::images, "images");
  const std::string png = old.folder() + "/grid.png";
  const ProcessResult result = run({ebb_binary(), "sample", old.folder(), "-o", png, "--count", "4"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_GT(fs::file_size(png), 50U);
}

}  // namespace
}  // namespace ebb::test
