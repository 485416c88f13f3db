// SPDX-License-Identifier: Apache-2.0
// Whole runs of the real program on a small text: the parts that only language models have. The common parts
// are in run_test and bad_input_test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class TextRun : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = new TinyRun(TinyRun::Of::text);
    undisturbed_ = tiny_->train(2, "undisturbed");
  }
  static void TearDownTestSuite() { delete tiny_; }
  void SetUp() override { ASSERT_EQ(undisturbed_.exit_code, 0) << undisturbed_.out << undisturbed_.err; }

  static ProcessResult sample(std::vector<std::string> options) {
    std::vector<std::string> argv = {ebb_binary(), "sample", tiny_->run_folder("undisturbed")};
    argv.insert(argv.end(), options.begin(), options.end());
    return run(argv);
  }
  static void expect_refused(const std::vector<std::string>& overrides, int code,
                             const std::vector<std::string>& texts) {
    const ProcessResult result = tiny_->train(2, "refused", overrides);
    EXPECT_EQ(result.exit_code, code) << result.out << result.err;
    for (const auto& text : texts) EXPECT_THAT(result.err, HasSubstr(text));
  }
  static inline TinyRun* tiny_ = nullptr;
  static inline ProcessResult undisturbed_;
};

TEST_F(TextRun, LossFallsAndTheClosingScreenIsAboutTokens) {
  const auto curve = losses(tiny_->run_folder("undisturbed"));
  ASSERT_EQ(curve.size(), 30U);
  EXPECT_GT(curve.at(0), 5.0);  // ln 257 = 5.55
  EXPECT_LT(curve.at(29), 0.7 * curve.at(0));
  for (const char* text :
       {"nats per token", "perplexity", "windows of 32 tokens", "samples.txt", "--prompt", "tokens/s"})
    EXPECT_THAT(undisturbed_.out, HasSubstr(text));
  const auto lines = json_lines(tiny_->run_folder("undisturbed") + "/metrics.jsonl");
  EXPECT_NEAR(lines.front().at("tokens_per_s").get<double>(),
              32 * lines.front().at("samples_per_s").get<double>(),
              1e-6 * lines.front().at("tokens_per_s").get<double>());
  std::ifstream file(tiny_->run_folder("undisturbed") + "/samples.txt");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(page, AllOf(HasSubstr("--- prompt: "), HasSubstr("--- continuation: ")));
}

// A rate that was measured beside other work is too low.
TEST_F(TextRun, TheUtilisationIsNeverAboveOneAndAFalseRateIsMended) {
  const std::string cache = tiny_->folder() / "cache", file = cache + "/ebb/matrix-rate.json";
  const auto run_with_cache = [&](const std::string& name) {
    ProcessOptions options;
    options.environment = {{"XDG_CACHE_HOME", cache}};
    const ProcessResult result = run(tiny_->command(2, name, {}), options);
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    for (const auto& line : json_lines(tiny_->run_folder(name) + "/metrics.jsonl")) {
      if (!line.contains("loss")) continue;
      EXPECT_GT(line.at("mfu").get<double>(), 0);
      EXPECT_LE(line.at("mfu").get<double>(), 1);
      EXPECT_GT(line.at("matrix_rate").get<double>(), 1e8);
    }
  };
  run_with_cache("first-rate");
  auto rates = nlohmann::json::parse(std::ifstream(file));
  ASSERT_EQ(rates.size(), 1U);
  for (auto& [key, rate] : rates.items()) rate = 1.0;
  std::ofstream(file) << rates;
  run_with_cache("second-rate");
  rates = nlohmann::json::parse(std::ifstream(file));
  for (auto& [key, rate] : rates.items()) EXPECT_GT(rate.get<double>(), 1e8) << key;
}

TEST_F(TextRun, OtherRanksGiveTheSameLossesWithinFp16Rounding) {
  const auto two = losses(tiny_->run_folder("undisturbed"));
  ASSERT_EQ(tiny_->train(1, "one").exit_code, 0);
  const auto one = losses(tiny_->run_folder("one"));
  EXPECT_NEAR(one.at(0), two.at(0), 1e-3 * two.at(0));
  EXPECT_NEAR(one.at(29), two.at(29), 2e-2 * two.at(29));
}

TEST_F(TextRun, StoppedAndResumedItEndsInTheSameBits) {
  const std::vector<std::string> longer = {"run.steps=400"};
  ASSERT_EQ(tiny_->train(2, "long", longer).exit_code, 0);
  Process first(tiny_->launch("stopped", longer));
  ASSERT_TRUE(first.wait_for_output("global batch"));  // the line that describes the training
  first.signal(SIGTERM);
  ASSERT_EQ(first.wait().exit_code, 75) << first.out() << first.err();
  const ProcessResult resumed = tiny_->train(2, "stopped", longer);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("resumes from step"));
  EXPECT_EQ(losses(tiny_->run_folder("stopped")), losses(tiny_->run_folder("long")));
  EXPECT_EQ(checkpoint_tensors(tiny_->run_folder("stopped")), checkpoint_tensors(tiny_->run_folder("long")));
}

TEST_F(TextRun, ALlamaTrainsAndShowsSamplesOnTheWay) {
  const ProcessResult result =
      tiny_->train(2, "llama",
                   {"model.architecture=llama", "model.kv_heads=1", "model.tied=false",
                    "model.rope.theta=5000", "run.sample_every=20", "precision.dtype=bf16"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto curve = losses(tiny_->run_folder("llama"));
  EXPECT_LT(curve.at(29), 0.7 * curve.at(0));
  EXPECT_TRUE(std::filesystem::exists(tiny_->run_folder("llama") + "/samples/step-00000020/samples.txt"));
}

TEST_F(TextRun, SamplesGoOnFromAPromptAndDependOnTheSeed) {
  const ProcessResult first = sample({"--prompt", "line 1", "--tokens", "60", "--seed", "3"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, StartsWith("line 1"));
  EXPECT_GT(first.out.size(), 20U);
  EXPECT_EQ(sample({"--prompt", "line 1", "--tokens", "60", "--seed", "3"}).out, first.out);
  EXPECT_NE(sample({"--prompt", "line 1", "--tokens", "60", "--seed", "4"}).out, first.out);
  const std::string path = tiny_->folder() / "out.txt";
  ASSERT_EQ(sample({"--prompt", "line 1", "--tokens", "60", "--seed", "3", "-o", path}).exit_code, 0);
  const ProcessResult again = sample({"--prompt", "line 1", "-o", path});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr(path + ": the file exists"));
  std::ifstream file(path);
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(file), {}}), first.out);
}

TEST_F(TextRun, TokensWithoutATokenizerAreShownAsNumbers) {
  ASSERT_EQ(tiny_->train(1, "numbers", {"data.tokenizer=none", "run.steps=2"}).exit_code, 0);
  const ProcessResult result =
      run({ebb_binary(), "sample", tiny_->run_folder("numbers"), "--prompt", "1 17", "--tokens", "2"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ::testing::MatchesRegex("1 17 [0-9]+ [0-9]+ \n"));
  const ProcessResult none = run({ebb_binary(), "sample", tiny_->run_folder("numbers")});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("--prompt '1 17 4'"));
}

TEST_F(TextRun, WeightsGoOutAndComeBackToTheBit) {
  const std::string hub = tiny_->folder() / "hub", yaml = tiny_->folder() / "sub/back.yaml";
  ProcessResult result =
      run({ebb_binary(), "export", tiny_->run_folder("undisturbed"), "-o", hub, "--max-file", "20kB"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::exists(hub + "/model.safetensors.index.json"));
  EXPECT_EQ(run({ebb_binary(), "export", tiny_->run_folder("undisturbed"), "-o", hub}).exit_code, 2);
  result = run({ebb_binary(), "import", hub, "-o", yaml});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(run({ebb_binary(), "import", hub, "-o", yaml}).exit_code, 2);
  // A step too small to change a weight.
  result = run(mpirun(
      2, {ebb_binary(), "train", yaml, "run.dir=" + (tiny_->folder() / "runs"), "run.steps=1",
          "data.source=" + (tiny_->folder() / "data"), "optimizer.lr=1e-30", "optimizer.weight_decay=0"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  auto before = checkpoint_tensors(tiny_->run_folder("undisturbed")),
       after = checkpoint_tensors(tiny_->run_folder("back"));
  const auto model_alone = [](auto& tensors) {
    std::erase_if(tensors, [](const auto& tensor) { return !tensor.first.starts_with("model/"); });
  };
  model_alone(before);
  model_alone(after);
  EXPECT_FALSE(before.empty());
  EXPECT_EQ(before, after);
}

TEST_F(TextRun, AnImportChoosesTheDtypeByAllTensors) {
  const std::string hub = tiny_->folder() / "mixed", file = hub + "/model.safetensors";
  ASSERT_EQ(run({ebb_binary(), "export", tiny_->run_folder("undisturbed"), "-o", hub}).exit_code, 0);
  std::ifstream in(file, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const std::string imports = ebb_binary() + " import " + hub + " -o " + tiny_->folder().path();
  const auto dtype_of = [](const std::string& yaml) {
    return run({"grep", "-o", "dtype: [a-z0-9]*", tiny_->folder() / yaml}).out;
  };
  ProcessResult result = run_shell(imports + "/all.yaml");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, Not(HasSubstr("F16")));
  EXPECT_EQ(dtype_of("all.yaml"), "dtype: fp16\n");

  // The last tensor of the header becomes bf16: one letter more.
  bytes.insert(bytes.rfind("\"F16\"", bytes.find("}}")) + 1, "B");
  ++bytes[0];
  const auto write = [&] { std::ofstream(file, std::ios::binary) << bytes; };
  write();
  result = run_shell(imports + "/mixed.yaml");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ::testing::ContainsRegex("1 of BF16, [0-9]+ of F16.\\. precision.dtype is bf16"));
  EXPECT_EQ(dtype_of("mixed.yaml"), "dtype: bf16\n");

  bytes[bytes.size() - 1] = 0x48;  // 131072
  bytes[bytes.size() - 2] = 0;
  write();
  result = run_shell(imports + "/large.yaml");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("has a value of 131072, above fp16's 65504"));
  expect_refused({"model.weights=" + hub}, 2, {"has a value of magnitude 131072, above 65504"});
  bytes[bytes.size() - 1] = 0x7f;  // not a number
  bytes[bytes.size() - 2] = static_cast<char>(0xc0);
  write();
  result = run_shell(imports + "/nan.yaml");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("has the value nan: weights must be finite"));
}

TEST_F(TextRun, ARunThatWaitsForTheFolderHoldsNoFileOfTheData) {
  const auto held_files = [](const Process& process) {
    std::string files;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(process.pid()) + "/fd")) {
      std::error_code ignored;
      files += std::filesystem::read_symlink(entry.path(), ignored).string() + "\n";
    }
    return files;
  };
  const std::vector<std::string> endless = {"run.steps=100000", "run.samples=false"};
  const std::string file = tiny_->folder() / "data/train.bin";
  Process first(tiny_->command(1, "waited-for", endless));
  ASSERT_TRUE(first.wait_for_output("global batch"));
  EXPECT_THAT(held_files(first), HasSubstr(file));
  Process second(tiny_->command(1, "waited-for", endless));
  ASSERT_TRUE(second.wait_for_output("waiting for")) << second.err();
  EXPECT_THAT(held_files(second), Not(HasSubstr(file)));
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait().exit_code, 75);
  ASSERT_TRUE(second.wait_for_output("global batch")) << second.err();
  EXPECT_THAT(held_files(second), HasSubstr(file));
  second.signal(SIGTERM);
  EXPECT_EQ(second.wait().exit_code, 75);
}

TEST_F(TextRun, APromptLongerThanTheContextIsRefused) {
  const std::string out = tiny_->folder() / "left-alone.txt";
  std::ofstream(out) << "as it was";
  const ProcessResult result = sample({"--prompt", std::string(33, 'x'), "-o", out});
  EXPECT_EQ(std::filesystem::file_size(out), 9U);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("33 tokens"), HasSubstr("context of the model has 32")));
}

TEST_F(TextRun, WhatCannotBeIsRefusedByName) {
  expect_refused({"model.heads=3"}, 2, {"model.dim", "model.heads", "width of 32", "3 heads"});
  expect_refused({"model.vocabulary=200"}, 2, {"data.tokenizer", "257 tokens", "model.vocabulary=257"});
  expect_refused({"model.vocabulary=90", "data.tokenizer=none"}, 3, {"train.bin", "byte", "ids are 0 to 89"});
  expect_refused({"data.context=20000"}, 3, {"train", "data.context 20000", "at most"});
  expect_refused({"model.context=16"}, 2, {"model.context", "windows of 32"});
  expect_refused({"data.format=mds"}, 2, {"data.format", "model.kind"});
  expect_refused({"model.latent=4"}, 2, {"model.latent", "only where model.kind is vae"});
  expect_refused({"data.source=" + (tiny_->folder() / "nowhere")}, 3, {"nowhere/train.bin", "ebb data pack"});
  expect_refused({"model.weights=" + (tiny_->folder() / "nowhere")}, 2, {"nowhere", "config.json"});
}

TEST_F(TextRun, ADamagedTokenFileIsNamed) {
  namespace fs = std::filesystem;
  const fs::path data = tiny_->folder() / "damaged";
  fs::copy(fs::path(tiny_->folder() / "data"), data);
  const std::string source = "data.source=" + data.string();
  const auto whole = fs::file_size(data / "train.bin");
  fs::resize_file(data / "train.bin", whole - 1);
  expect_refused({source}, 3, {"train.bin", "byte 8", "truncated"});
  fs::resize_file(data / "train.bin", whole);
  std::fstream(data / "train.bin", std::ios::in | std::ios::out | std::ios::binary) << "XXXX";
  expect_refused({source}, 3, {"train.bin", "byte 0", "20240520"});
}

}  // namespace
}  // namespace ebb::test
