// SPDX-License-Identifier: Apache-2.0
#include "train/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "config/document.h"
#include "models/built_in.h"
#include "models/model.h"
#include "support/folder_test.h"

namespace ebb::train {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(TrainConfig, EveryExampleLoadsAndResolvesToItself) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(std::getenv("EBB_SOURCE_DIR")) + "/configs")) {
    const Registries registries{models::built_in_families(), data::builtin_formats()};
    Config config(registries), again(registries);
    load(config, entry.path(), {});
    const std::string resolved = config::resolved_yaml(described(config));
    load_text(again, resolved, "resolved", {});
    EXPECT_EQ(config::resolved_yaml(described(again)), resolved) << entry.path();
    EXPECT_EQ(config::digest(described(again)), config::digest(described(config)));
    ++files;
  }
  EXPECT_GE(files, 1);
}

TEST(TrainConfig, TheLimitOfAStandstillIsASecondOrMoreOrOff) {
  const auto limit = [](const std::string& text) {
    Config config({models::built_in_families(), data::builtin_formats()});
    load_text(config, "model: {kind: vae}\ndata: {source: d}\nrun: {name: x}\n", "a", {text});
    return config.launch.stall_s;
  };
  EXPECT_EQ(limit("run.steps=1"), 600);
  EXPECT_EQ(limit("launch.stall=1s"), 1);
  EXPECT_EQ(limit("launch.stall=0"), 0);
  EXPECT_THROW(limit("launch.stall=500ms"), Error);
}

TEST(TrainConfig, ANameIsNoPath) {
  const auto refusal = [](const std::string& name) -> std::string {
    Config config({models::built_in_families(), data::builtin_formats()});
    try {
      load_text(config, "model: {kind: vae}\ndata: {source: d}\nrun: {name: x}\n", "a", {"run.name=" + name});
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted as " + config.run.folder().string();
  };
  for (const std::string name : {"..", ".", "a/b", "/a", "a/", ""})
    EXPECT_THAT(refusal(name), AllOf(HasSubstr("run.name"), HasSubstr("`" + name + "` is not a name")));
  EXPECT_THAT(refusal(std::string(201, 'x')), HasSubstr("has 201 bytes, and 200 are allowed"));
  EXPECT_EQ(refusal("..."), "accepted as runs/...");
}

TEST(TrainConfig, TheKeysThatAResumeMayChangeAreKeys) {
  Config config({models::built_in_families(), data::builtin_formats()});
  const std::string yaml = "model: {kind: vae}\ndata: {source: d}\nrun: {name: x}\n";
  load_text(config, yaml, "a", {"checkpoint.allow=[run.steps,optimizer,generator.optimizer.lr]"});
  EXPECT_THAT(config.checkpoint.allow,
              ::testing::ElementsAre("run.steps", "optimizer", "generator.optimizer.lr"));
  try {
    load_text(config, yaml, "a", {"checkpoint.allow=[optimizer.learning_rate]"});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("`optimizer.learning_rate` is unknown; did you mean `optimizer.lr`?"));
  }
}

// Parameters as published; nothing is allocated for them here.
TEST(TrainConfig, ExamplesOfPublishedModelsHaveTheirSizes) {
  for (const auto& [name, parameters] : std::map<std::string, std::int64_t>{{"gpt2-124m", 124'439'808},
                                                                            {"gpt2-1558m", 1'557'611'200},
                                                                            {"llama-1b", 1'235'814'400},
                                                                            {"llama-8b", 8'030'261'248}}) {
    Config config({models::built_in_families(), data::builtin_formats()});
    load(config, std::string(std::getenv("EBB_SOURCE_DIR")) + "/configs/" + name + ".yaml", {});
    const auto model =
        models::make_model(config.model, core::SampleSpec{{core::tokens_field(config.data.context)}},
                           config.precision.dtype, at::kMeta, 1);
    EXPECT_EQ(models::parameter_count(*model), parameters) << name;
  }
}

// A key of an earlier version with a value, and the end of the message that refuses it.
struct OldKey {
  std::string section, key, value, advice;
  [[nodiscard]] std::string path() const { return section + "." + key; }
  [[nodiscard]] std::string refusal() const { return ": key `" + path() + "`: " + advice; }
};

std::vector<OldKey> old_keys() {
  return {
      {"model", "parts", "gpt2", "renamed; write `model.architecture`"},
      {"model", "key_heads", "2", "renamed; write `model.kv_heads`"},
      {"optimizer", "kind", "adamw", "removed; leave it out: AdamW is the only optimizer"},
      {"parallel", "shard", "none",
       "removed; leave it out: every rank keeps a whole copy of the training state"},
      {"parallel", "reduction", "ordered",
       "removed; leave it out: the backend determines the order of sums (MPI: rank order)"},
  };
}

class OldKeysOfARun : public test::FolderTest {
 protected:
  // The message of the refusal, which has the exit code 2; empty if the file is accepted.
  static std::string refusal(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
    Config config({models::built_in_families(), data::builtin_formats()});
    try {
      load(config, file, overrides);
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.code()), 2);
      return error.what();
    }
    return "";
  }

  const std::filesystem::path example_ =
      std::string(std::getenv("EBB_SOURCE_DIR")) + "/configs/gpt-bible.yaml";
};

TEST_F(OldKeysOfARun, InAFileAreRefusedWithWhatToWrite) {
  const std::string good = read_file(example_, ExitCode::usage);
  for (const OldKey& old : old_keys()) {
    const std::size_t section = good.find("\n" + old.section + ":");
    ASSERT_NE(section, std::string::npos) << old.section;
    std::string text = good;
    text.insert(text.find('{', section) + 1, old.key + ": " + old.value + ", ");
    put("run.yaml", text);
    const std::filesystem::path file = folder_ / "run.yaml";
    EXPECT_THAT(refusal(file, {}), AllOf(StartsWith(file.string() + ":"), EndsWith(old.refusal())));
  }
}

TEST_F(OldKeysOfARun, AsOverridesAreRefusedWithWhatToWrite) {
  ASSERT_EQ(refusal(example_, {}), "");
  for (const OldKey& old : old_keys()) {
    const std::string text = old.path() + "=" + old.value;
    EXPECT_EQ(refusal(example_, {text}), "override `" + text + "`" + old.refusal());
  }
}

}  // namespace
}  // namespace ebb::train
