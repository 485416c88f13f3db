// SPDX-License-Identifier: Apache-2.0
// Whole runs with a unit runner other than the plain one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using Names = std::set<std::string>;

constexpr std::size_t kSteps = 6;

// By the tests' runner if `units` names a file, to which it writes the names of the units that ran.
ProcessResult run_core(const std::vector<std::string>& arguments, const std::string& units = "") {
  std::vector<std::string> argv{std::getenv("EBB_TINY_GAN_CORE")};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  ProcessOptions options;
  if (!units.empty()) options.environment["EBB_TEST_UNITS"] = units;
  return run(argv, options);
}

Names lines_of(const std::string& path) {
  std::ifstream file(path);
  Names lines;
  for (std::string line; std::getline(file, line);) lines.insert(line);
  return lines;
}

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Trains by `file`, with evaluations, with both runners, into the runs NAME and NAME-released.
void expect_the_same_run(const TinyRun& tiny, const std::string& file, const std::string& name,
                         const std::vector<std::string>& overrides, const Names& units) {
  std::vector<std::string> arguments{"train", tiny.folder() / file, "run.steps=" + std::to_string(kSteps),
                                     "run.evaluate_every=3"};
  arguments.insert(arguments.end(), overrides.begin(), overrides.end());
  const std::string released = name + "-released", log = tiny.folder() / (name + ".units");
  arguments.push_back("run.name=" + name);
  const ProcessResult plain = run_core(arguments);
  ASSERT_EQ(plain.exit_code, 0) << plain.out << plain.err;
  arguments.back() = "run.name=" + released;
  const ProcessResult other = run_core(arguments, log);
  ASSERT_EQ(other.exit_code, 0) << other.out << other.err;
  EXPECT_EQ(lines_of(log), units);
  EXPECT_EQ(losses(tiny.run_folder(name)).size(), kSteps);
  EXPECT_EQ(losses(tiny.run_folder(released)), losses(tiny.run_folder(name)));
  EXPECT_EQ(checkpoint_tensors(tiny.run_folder(released)), checkpoint_tensors(tiny.run_folder(name)));
}

TEST(RunByAnotherRunner, OfAVae) {
  const TinyRun tiny;
  expect_the_same_run(tiny, "tiny.yaml", "vae", {}, {"encoder", "decoder"});
  const std::string plain = tiny.folder() / "plain.png", other = tiny.folder() / "other.png",
                    log = tiny.folder() / "sample.units";
  ASSERT_EQ(run_core({"sample", tiny.run_folder("vae"), "-o", plain, "--count", "4"}).exit_code, 0);
  ASSERT_EQ(run_core({"sample", tiny.run_folder("vae"), "-o", other, "--count", "4"}, log).exit_code, 0);
  EXPECT_EQ(lines_of(log), Names{"decoder"});
  EXPECT_GT(contents_of(plain).size(), 50U);
  EXPECT_EQ(contents_of(other), contents_of(plain));
}

TEST(RunByAnotherRunner, OfLanguageModels) {
  const TinyRun tiny(TinyRun::Of::text);
  const Names units{"embedding", "block.0", "block.1", "head"};
  expect_the_same_run(tiny, "tiny.yaml", "gpt2", {}, units);
  expect_the_same_run(tiny, "tiny.yaml", "llama", {"model.architecture=llama", "model.tied=false"}, units);
  const std::vector<std::string> sample{"sample", tiny.run_folder("gpt2"), "--prompt", "line", "--tokens",
                                        "6"};
  const std::string log = tiny.folder() / "sample.units";
  const ProcessResult plain = run_core(sample), other = run_core(sample, log);
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  ASSERT_EQ(other.exit_code, 0) << other.err;
  EXPECT_EQ(lines_of(log), units);
  EXPECT_THAT(plain.out, testing::StartsWith("line"));
  EXPECT_EQ(other.out, plain.out);
}

TEST(RunByAnotherRunner, OfTwoNetworks) {
  const TinyRun tiny;
  std::ofstream(tiny.folder() / "gan.yaml")
      << "run: {name: gan, dir: " << (tiny.folder() / "runs") << "}\n"
      << "model: {kind: tiny_gan}\n"
      << "data: {source: " << (tiny.folder() / "data") << ", batch: 32}\n"
      << "parallel: {threads: 1, timeout: 60s}\n";
  expect_the_same_run(tiny, "gan.yaml", "gan", {}, {"discriminator", "generator"});
}

}  // namespace
}  // namespace ebb::test
