// SPDX-License-Identifier: Apache-2.0
#include "data/config.h"

#include "config/document.h"
#include "data/fixtures.h"

namespace ebb::data {
namespace {

using namespace testing;

DataConfig load(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  Scratch dir;
  write_bytes(dir / "run.yaml", yaml);
  DataConfig data(builtin_formats());
  config::Section root;
  root.section("data", data, "What the run reads.");
  config::load(dir / "run.yaml", overrides, root);
  return data;
}

TEST(DataConfig, ReadsItsKeys) {
  const DataConfig data = load(
      "data: {source: shards, format: mds, batch: 96, micro_batches: 3, shuffle: false, prefetch: 2, "
      "cache: {ram: 4MiB}}\n");
  EXPECT_EQ(data.source, "shards");
  EXPECT_EQ(data.batch, 96);
  EXPECT_EQ(data.micro_batches, 3);
  EXPECT_FALSE(data.shuffle);
  EXPECT_EQ(data.prefetch, 2);
  EXPECT_EQ(data.cache.ram, 4 << 20);
}

TEST(DataConfig, RefusesWhatCannotBe) {
  expect_error(ExitCode::usage, {"data.source"}, [] { (void)load("data: {batch: 8}\n"); });
  expect_error(ExitCode::usage, {"data.batch"}, [] { (void)load("data: {source: a, batch: 0}\n"); });
  expect_error(ExitCode::usage, {"data.format", "mds"},
               [] { (void)load("data: {source: a, format: tar}\n"); });
  expect_error(ExitCode::usage, {"data.prefetch"},
               [] { (void)load("data: {source: a}\n", {"data.prefetch=0"}); });
  expect_error(ExitCode::usage, {"disk"}, [] { (void)load("data: {source: a, cache: {disk: 4GiB}}\n"); });
}

// A resumed run may change only keys that do not change the samples.
TEST(DataConfig, OnlyPlaceDepthAndCacheAreFreeToChange) {
  DataConfig data(builtin_formats());
  config::Section root;
  root.section("data", data, "What the run reads.");
  std::vector<std::string> keys;
  for (const auto& [key, value] : config::mathematical_values(root)) keys.push_back(key);
  for (const char* key : {"data.batch", "data.micro_batches", "data.shuffle"}) {
    EXPECT_NE(std::find(keys.begin(), keys.end(), key), keys.end()) << key;
  }
  for (const char* key : {"data.prefetch", "data.cache.ram", "data.source"}) {
    EXPECT_EQ(std::find(keys.begin(), keys.end(), key), keys.end()) << key;
  }
}

}  // namespace
}  // namespace ebb::data
