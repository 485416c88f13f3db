// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "config/example_config.h"

namespace ebb::config {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

std::string resolved(ExampleConfig& config) {
  Section root;
  config.describe(root);
  return resolved_yaml(root);
}

std::string digest_of(ExampleConfig& config) {
  Section root;
  config.describe(root);
  return digest(root);
}

TEST_F(ConfigTest, ResolvedYamlHasEveryKeyInTheOrderDescribed) {
  ExampleConfig config = load_text("memory: {timeout: 1.5s}\nrun: {name: vae}\n");
  EXPECT_EQ(resolved(config), R"(run:
  name: vae
  dir: runs
  steps: 2000
  shuffle: true
optimizer:
  lr: 0.001
  weight_decay: 0.1
  schedule:
    kind: cosine
    warmup_steps: 100
memory:
  bucket: 25MiB
  budget: auto
  micro_batch: auto
  timeout: 1.5s
checkpoint:
  allow: []
)");
}

TEST_F(ConfigTest, ResolvedNumbersAreReadBackToTheBit) {
  for (const double value : {0.1, 1.0 / 3, 1e-3, 5e-324, 1e300, 0x1.fffffffffffffp-1, 100000.0, 1e22,
                             std::numeric_limits<double>::max()}) {
    ExampleConfig config = load_text("run: {name: x}");
    config.optimizer.lr = value;
    config.memory.timeout = value;
    config.memory.bucket = (std::int64_t{1} << 53) + 1;
    const ExampleConfig again = load_text(resolved(config));
    EXPECT_EQ(again.optimizer.lr, value);
    EXPECT_EQ(again.memory.timeout, value);
    EXPECT_EQ(again.memory.bucket, config.memory.bucket);
  }
}

TEST_F(ConfigTest, ResolvedTextIsReadBackForAnyPrintableContent) {
  for (const std::string& text : {std::string("vae"),
                                  std::string(""),
                                  std::string("null"),
                                  std::string("~"),
                                  std::string("true"),
                                  std::string("12"),
                                  std::string("1e3"),
                                  std::string(" padded "),
                                  std::string("a: b # c"),
                                  std::string("say \"hi\" \\ there"),
                                  std::string("\xe6\xbc\xa2 \xf0\x9f\x98\x80"),
                                  std::string("${HOME}"),
                                  std::string("$${HOME}"),
                                  std::string("- item"),
                                  std::string("*alias"),
                                  std::string("\xc3\xa9t\xc3\xa9"),
                                  std::string("no"),
                                  std::string("a/b-c_d.e"),
                                  std::string("'q'"),
                                  std::string("{x}")}) {
    ExampleConfig config = load_text("run: {name: x}");
    config.run.name = text;
    EXPECT_EQ(load_text(resolved(config)).run.name, text) << resolved(config);
  }
}

TEST_F(ConfigTest, TheDigestDependsOnValuesNotOnSpelling) {
  ExampleConfig plain = load_text("run: {name: x, steps: 5}\nmemory: {bucket: 1MiB, timeout: 60s}");
  ExampleConfig other =
      load_text("memory: {timeout: 1m, bucket: 1048576}\nrun:\n  steps: 5\n  name: \"x\"\n");
  EXPECT_EQ(digest_of(plain), digest_of(other));
  EXPECT_EQ(digest_of(plain).size(), 16U);
  other.optimizer.lr = std::nextafter(other.optimizer.lr, 1.0);
  EXPECT_NE(digest_of(plain), digest_of(other)) << "the last bit of a number counts";
  ExampleConfig listed = load_text("run: {name: x, steps: 5}\nmemory: {bucket: 1MiB, timeout: 60s}",
                                   {"checkpoint.allow=[run.steps]"});
  EXPECT_NE(digest_of(plain), digest_of(listed));
}

TEST_F(ConfigTest, TheDigestDistinguishesKeys) {
  ExampleConfig first = load_text("run: {name: a, dir: b}");
  ExampleConfig second = load_text("run: {name: b, dir: a}");
  EXPECT_NE(digest_of(first), digest_of(second));
}

TEST_F(ConfigTest, MathematicalValuesExcludeKeysThatAreFreeToChange) {
  ExampleConfig config = load_text("run: {name: vae}");
  Section root;
  config.describe(root);
  const auto values = mathematical_values(root);
  EXPECT_EQ(values.front(), (std::pair<std::string, std::string>("run.name", "vae")));
  EXPECT_THAT(values, Contains(Pair("optimizer.lr", "0.001")));
  EXPECT_THAT(values, Contains(Pair("memory.bucket", "25MiB")));
  EXPECT_THAT(values, Not(Contains(Key("run.dir"))));
  EXPECT_THAT(values, Not(Contains(Key("memory.timeout"))));
  EXPECT_EQ(values.size(), 10U);
}

TEST(Keys, AreListedOnceAndThoseThatShapeTheStateApart) {
  Section root;
  bool wide = false;
  std::int64_t width = 1, other = 2, steps = 3;
  root.flag("wide", wide);
  root.integer("steps", steps);
  root.only_where(
      "wide", [&] { return wide; }, [&](Section& s) { s.integer("width", width).shapes_state(); });
  root.only_where("not wide", [&] { return !wide; }, [&](Section& s) { s.integer("width", other); });
  EXPECT_THAT(all_keys(root), ElementsAre("wide", "steps", "width"));
  EXPECT_THAT(shaping_keys(root), IsEmpty());
  wide = true;
  EXPECT_THAT(shaping_keys(root), ElementsAre("width"));
  EXPECT_THAT(explain(root, "width"), HasSubstr("has to keep it: the saved tensors depend on it"));
}

TEST_F(ConfigTest, JsonValuesAreNestedAsTheSectionsAre) {
  ExampleConfig config = load_text(
      "run: {name: vae, shuffle: false}\nmemory: {timeout: 1.5s, micro_batch: 4}\n"
      "checkpoint: {allow: [run.steps]}");
  Section root;
  config.describe(root);
  EXPECT_EQ(json_values(root), nlohmann::json::parse(R"({
    "run": {"name": "vae", "dir": "runs", "steps": 2000, "shuffle": false},
    "optimizer": {"lr": 0.001, "weight_decay": 0.1, "schedule": {"kind": "cosine", "warmup_steps": 100}},
    "memory": {"bucket": 26214400, "budget": "auto", "micro_batch": 4, "timeout": 1.5},
    "checkpoint": {"allow": ["run.steps"]}})"));
}

}  // namespace
}  // namespace ebb::config
