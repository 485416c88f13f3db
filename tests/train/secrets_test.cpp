// SPDX-License-Identifier: Apache-2.0
// Values from the environment in the configuration of a run: the run uses them, and no file or screen has
// them. Commands that read its checkpoints do not look into their own environment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSecret = "hf_9QzrT7secret";
const std::vector<std::string> kReferences = {"data.source=${EBB_TEST_FOLDER}/data",
                                              "data.tokenizer=${EBB_TEST_TOKENIZER:-none}"};

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The number of files below `folder`, none of which may contain the secret.
int files_without_secret(const fs::path& folder) {
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    EXPECT_EQ(content(entry.path()).find(kSecret), std::string::npos) << entry.path();
  }
  return files;
}

class Secrets : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = new TinyRun(TinyRun::Of::text);
    fs::create_directory_symlink(tiny_->folder().path(), tiny_->folder() / kSecret);
    trained_ = with_secret(tiny_->launch("secret", overrides({"checkpoint.keep=5"})));
  }
  static void TearDownTestSuite() { delete tiny_; }
  void SetUp() override { ASSERT_EQ(trained_.exit_code, 0) << trained_.out << trained_.err; }

  static std::vector<std::string> overrides(std::vector<std::string> more) {
    more.insert(more.begin(), kReferences.begin(), kReferences.end());
    return more;
  }
  // Runs a command with both variables set, `folder` is the name of a folder with the data.
  static ProcessResult with_secret(const std::vector<std::string>& argv,
                                   const std::string& folder = kSecret) {
    ProcessOptions options;
    options.environment = {{"EBB_TEST_FOLDER", tiny_->folder() / folder}, {"EBB_TEST_TOKENIZER", "bytes"}};
    return run(argv, options);
  }
  // A command on the run's checkpoint.
  static ProcessResult on_checkpoint(const std::string& command, const std::vector<std::string>& more) {
    std::vector<std::string> argv{ebb_binary(), command, tiny_->run_folder("secret")};
    argv.insert(argv.end(), more.begin(), more.end());
    return with_secret(argv);
  }
  static void expect_asks_for(const ProcessResult& result, const std::string& key, const std::string& written,
                              const std::string& variable) {
    EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
    EXPECT_THAT(result.err,
                AllOf(HasSubstr("key `" + key + "`: saved as `" + written + "`"),
                      HasSubstr("(" + variable + ")"), HasSubstr(key + "=VALUE"), Not(HasSubstr(kSecret))));
  }

  static inline TinyRun* tiny_ = nullptr;
  static inline ProcessResult trained_;
};

TEST_F(Secrets, ARunWritesReferencesAndNoValues) {
  const fs::path folder = tiny_->run_folder("secret");
  EXPECT_GE(files_without_secret(folder), 12);  // three checkpoints, logs, results, samples
  for (const std::string& text : {trained_.out, trained_.err}) EXPECT_THAT(text, Not(HasSubstr(kSecret)));
  const std::string source = R"(source: "${EBB_TEST_FOLDER}/data")";
  EXPECT_THAT(content(folder / "config.yaml"), HasSubstr("  " + source + "\n"));
  const auto manifest = nlohmann::json::parse(content(folder / "checkpoints/step-00000030/manifest.json"));
  EXPECT_EQ(manifest.at("resolved_config"), content(folder / "config.yaml"));
  // The command that the closing screen advises.
  EXPECT_THAT(content(folder / "results.json"),
              HasSubstr(" 'data.tokenizer=${EBB_TEST_TOKENIZER:-none}'\\n"));
}

TEST_F(Secrets, ConfigPrintsReferences) {
  std::vector<std::string> argv{ebb_binary(), "config", tiny_->folder() / "tiny.yaml"};
  argv.insert(argv.end(), kReferences.begin(), kReferences.end());
  const ProcessResult result = with_secret(argv);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr(R"(source: "${EBB_TEST_FOLDER}/data")"), Not(HasSubstr(kSecret))));
  argv.emplace_back("run.steps=${EBB_TEST_FOLDER}");
  const ProcessResult refused = with_secret(argv);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("run.steps"), Not(HasSubstr(kSecret))));
}

// The plan compares the configuration with that of the run folder, to use its logs.
TEST_F(Secrets, APlanFindsTheLogsOfTheRun) {
  std::vector<std::string> argv{ebb_binary(), "plan", tiny_->folder() / "tiny.yaml", "run.name=secret"};
  argv.insert(argv.end(), kReferences.begin(), kReferences.end());
  const ProcessResult result = with_secret(argv);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("as 2 ranks of this run logged"), Not(HasSubstr(kSecret))));
}

// Another folder with the same data, and a path without a variable: both are the same run.
TEST_F(Secrets, ARunResumesWhateverTheVariableIs) {
  const fs::path folder = tiny_->run_folder("secret");
  fs::create_directory_symlink(tiny_->folder().path(), tiny_->folder() / "elsewhere");
  const auto go_on = [&](const std::vector<std::string>& more, const std::string& where) {
    fs::remove(folder / "results.json");
    fs::remove_all(folder / "checkpoints/step-00000030");
    return with_secret(tiny_->command(1, "secret", more), where);
  };
  for (const ProcessResult& result :
       {go_on(overrides({"checkpoint.keep=5"}), "elsewhere"), go_on({"checkpoint.keep=5"}, "nowhere")}) {
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("step-00000020"));
  }
  const ProcessResult other = go_on(overrides({"optimizer.lr=0.02"}), kSecret);
  EXPECT_EQ(other.exit_code, 2) << other.out;
  EXPECT_THAT(other.err,
              AllOf(HasSubstr("optimizer.lr: saved with 0.01, now 0.02"), Not(HasSubstr(kSecret))));
  ASSERT_EQ(go_on(overrides({"checkpoint.keep=5"}), kSecret).exit_code, 0);
}

TEST_F(Secrets, EvaluateAsksForTheDataset) {
  expect_asks_for(on_checkpoint("evaluate", {}), "data.source", "${EBB_TEST_FOLDER}/data", "EBB_TEST_FOLDER");
  expect_asks_for(on_checkpoint("evaluate", {"--data", tiny_->folder() / "data"}), "data.tokenizer",
                  "${EBB_TEST_TOKENIZER:-none}", "EBB_TEST_TOKENIZER");
  const ProcessResult result = on_checkpoint("evaluate", kReferences);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("bits per byte"), Not(HasSubstr(kSecret))));
}

TEST_F(Secrets, SampleAndExportAskForTheTokenizer) {
  const std::vector<std::string> sample{"--prompt", "line", "--tokens", "3"};
  const std::vector<std::string> into{"-o", tiny_->folder() / "hub"};
  const auto with_tokenizer = [](std::vector<std::string> options) {
    options.push_back(kReferences[1]);
    return options;
  };
  for (const auto& [command, options] : {std::pair{"sample", sample}, std::pair{"export", into}}) {
    expect_asks_for(on_checkpoint(command, options), "data.tokenizer", "${EBB_TEST_TOKENIZER:-none}",
                    "EBB_TEST_TOKENIZER");
    const ProcessResult result = on_checkpoint(command, with_tokenizer(options));
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
  EXPECT_GE(files_without_secret(tiny_->folder() / "hub"), 2);
}

}  // namespace
}  // namespace ebb::test
