// SPDX-License-Identifier: Apache-2.0
// Checkpoints that ebb 0.1 wrote.
#include "checkpoint/version_1.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "checkpoint/store.h"

namespace ebb::checkpoint {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::filesystem::path run(const std::string& name) {
  return std::filesystem::path(std::getenv("EBB_SOURCE_DIR")) / "tests/checkpoint/v01" / name;
}

Manifest manifest_of(const std::string& name) {
  return read_manifest(run(name) / "checkpoints/step-00000010");
}

std::map<std::string, std::string> mathematical(const Manifest& manifest) {
  return {manifest.mathematical.begin(), manifest.mathematical.end()};
}

TEST(VersionOne, RenamedKeysKeepTheirValues) {
  const auto keys = mathematical(manifest_of("gpt"));
  EXPECT_EQ(keys.at("model.architecture"), "llama");
  EXPECT_EQ(keys.at("model.kv_heads"), "1");
  EXPECT_EQ(keys.at("model.rope.theta"), "10000");
  EXPECT_FALSE(keys.contains("model.parts"));
  EXPECT_FALSE(keys.contains("model.key_heads"));
}

TEST(VersionOne, RemovedKeysAreLeftOut) {
  for (const char* name : {"vae", "gpt"}) {
    const auto keys = mathematical(manifest_of(name));
    EXPECT_FALSE(keys.contains("optimizer.kind"));
    EXPECT_FALSE(keys.contains("parallel.reduction"));
    EXPECT_EQ(keys.at("optimizer.schedule.kind"), "cosine") << "another key of that name stays";
    EXPECT_EQ(keys.at("model.kind"), name);
  }
}

TEST(VersionOne, TheConfigurationsTextIsConvertedLineByLine) {
  const std::string text = manifest_of("gpt").resolved_config;
  EXPECT_THAT(text, AllOf(HasSubstr("model:\n  kind: gpt\n  architecture: llama\n  vocabulary: 257\n"),
                          HasSubstr("  heads: 2\n  kv_heads: 1\n  dim: 16\n"),
                          HasSubstr("  rope:\n    theta: 10000\n    scaling: none\ndata:\n"),
                          HasSubstr("optimizer:\n  lr: 0.01\n"), HasSubstr("  schedule:\n    kind: cosine\n"),
                          HasSubstr("  ranks: 0\n  bucket: 25MiB\n")));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("parts:")), Not(HasSubstr("key_heads")), Not(HasSubstr("shard")),
                          Not(HasSubstr("reduction"))));
}

TEST(VersionOne, SamplesAreDescribedByTheirFields) {
  EXPECT_EQ(manifest_of("vae").values.at("model"),
            nlohmann::json::parse(R"({"sample": [{"name": "image", "type": "u8", "dims": [1, 8, 8]}]})"));
  EXPECT_EQ(manifest_of("gpt").values.at("model"),
            nlohmann::json::parse(R"({"sample": [{"name": "tokens", "type": "i32", "dims": [33]}]})"));
}

TEST(VersionOne, NothingElseOfAManifestChanges) {
  Manifest saved;
  saved.step = 7;
  saved.world = 2;
  saved.files = {{"shard-00000.safetensors", 12, "abc"}};
  saved.tensors["model/w"] = {"F16", {3}, "shard-00000.safetensors"};
  saved.values = {{"optimizer", {{"steps", 7}}}};
  saved.mathematical = {{"run.seed", "1"}};
  saved.resolved_config = "run:\n  name: \"parts: optimizer.kind\"\n  seed: 1\n";
  const Manifest present = from_version_1(saved);
  EXPECT_EQ(present.step, 7);
  EXPECT_EQ(present.world, 2);
  EXPECT_EQ(present.files.at(0).name, "shard-00000.safetensors");
  EXPECT_TRUE(present.tensors.contains("model/w"));
  EXPECT_EQ(present.values, saved.values);
  EXPECT_EQ(present.mathematical, saved.mathematical);
  EXPECT_EQ(present.resolved_config, saved.resolved_config);
}

TEST(VersionOne, ItsFilesAreReadAsBefore) {
  const LoadedPart model = read_part(run("vae"), "model");
  EXPECT_EQ(model.step, 10);
  EXPECT_EQ(model.tensors.at("encoder.conv1.weight").scalar_type(), at::kHalf);
  const LoadedPart optimizer = read_part(run("vae"), "optimizer");
  EXPECT_EQ(optimizer.values.at("steps"), 10);
  EXPECT_EQ(optimizer.tensors.size(), 3 * model.tensors.size());
}

}  // namespace
}  // namespace ebb::checkpoint
