// SPDX-License-Identifier: Apache-2.0
// Keys whose value is a list of texts.
#include <gmock/gmock.h>

#include "config/example_config.h"

namespace ebb::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(ConfigTest, RefusesOtherValuesWhereAListIsExpected) {
  const auto of = [&](const std::string& value) {
    return refusal("run: {name: x}\ncheckpoint: {allow: " + value + "}");
  };
  const std::string key = "a.yaml:2: key `checkpoint.allow`: ";
  const std::string allowed = "; allowed: a list of keys and sections such as [run.steps, optimizer]";
  EXPECT_EQ(of("[]"), "");
  EXPECT_EQ(of("run.steps"), key + "`run.steps` is not a list; write [run.steps]" + allowed);
  EXPECT_EQ(of(""), key + "has no value" + allowed);
  EXPECT_EQ(of("{run: 1}"), key + "is a section where a list is expected" + allowed);
  for (const std::string value : {"[[run.steps]]", "[run.steps, ~]", "[{run: 1}]", "[!secret x]"})
    EXPECT_EQ(of(value), key + "has an item that is no text" + allowed) << value;
  EXPECT_EQ(of("[\"a\\tb\"]"),
            key + "`a\tb` has the byte 0x09 at offset 1, which is no printable UTF-8" + allowed);
  const ScopedVariable variable("EBB_TEST_LIST", "run.steps");
  EXPECT_EQ(of("[\"${EBB_TEST_LIST}\"]"),
            key + "`${EBB_TEST_LIST}` refers to the environment, and a list does not" + allowed);
}

TEST_F(ConfigTest, RefusesItemsThatAreNoKeysAndSuggestsTheNearest) {
  const auto of = [&](const std::string& item) {
    return refusal("run: {name: x}\ncheckpoint: {allow: [run.steps, " + item + "]}");
  };
  const std::string key = "a.yaml:2: key `checkpoint.allow`: ";
  EXPECT_EQ(of("optimizer.rl"), key + "`optimizer.rl` is unknown; did you mean `optimizer.lr`?");
  EXPECT_EQ(of("lr"), key + "`lr` is unknown; did you mean `optimizer.lr`?");
  EXPECT_EQ(of("optimizer.decay"), key + "`optimizer.decay` is renamed; write `optimizer.weight_decay`");
  EXPECT_EQ(of("run.steps.x"),
            key + "`run.steps.x` is unknown; `run.steps` is a value and has no keys below it");
  EXPECT_EQ(of("optimizer.schedule"), "") << "a section";
}

TEST_F(ConfigTest, AnOverriddenListIsYaml) {
  EXPECT_THAT(load_text("run: {name: vae}", {"checkpoint.allow=[run.steps,optimizer.lr]"}).checkpoint.allow,
              ElementsAre("run.steps", "optimizer.lr"));
  EXPECT_THAT(
      load_text("run: {name: x}\ncheckpoint: {allow: [run]}", {"checkpoint.allow=[]"}).checkpoint.allow,
      IsEmpty());
  EXPECT_EQ(refusal("run: {name: vae}", {"checkpoint.allow=[run.step]"}),
            "override `checkpoint.allow=[run.step]`: key `checkpoint.allow`: `run.step` is unknown; did you "
            "mean `run.steps`?");
  EXPECT_EQ(refusal("run: {name: vae}", {"checkpoint.allow=run.steps"}),
            "override `checkpoint.allow=run.steps`: key `checkpoint.allow`: `run.steps` is not a list; write "
            "[run.steps]; allowed: a list of keys and sections such as [run.steps, optimizer]");
  EXPECT_EQ(refusal("run: {name: vae}", {"checkpoint.allow=[[run]]"}),
            "override `checkpoint.allow=[[run]]`: key `checkpoint.allow`: has an item that is no text; "
            "allowed: a list of keys and sections such as [run.steps, optimizer]");
  EXPECT_THAT(refusal("run: {name: vae}", {"checkpoint.allow=[run.steps"}),
              HasSubstr("override `checkpoint.allow=[run.steps`:"));
}

TEST_F(ConfigTest, ResolvedListsAreReadBack) {
  ExampleConfig config = load_text("run: {name: x}\ncheckpoint:\n  allow:\n  - run.steps\n  - optimizer\n");
  Section root;
  config.describe(root);
  const std::string resolved = resolved_yaml(root);
  EXPECT_THAT(resolved, HasSubstr("\n  allow: [run.steps, optimizer]\n"));
  EXPECT_EQ(load_text(resolved).checkpoint.allow, config.checkpoint.allow);
}

TEST(TextsOfAnyContent, AreReadBack) {
  Section root;
  std::vector<std::string> any = {"a, b", "[c]", "", "null", "${HOME}"};
  const std::vector<std::string> expected = any;
  root.texts("any", any);
  const std::string yaml = resolved_yaml(root);
  any.clear();
  load_text(yaml, "resolved", {}, root);
  EXPECT_EQ(any, expected) << yaml;
}

// The keys of a saved configuration may be those of another version, and nothing reads its list.
TEST_F(ConfigTest, ItemsOfASavedListNeedNotBeKeys) {
  ExampleConfig config;
  Section root;
  config.describe(root);
  load_saved("run: {name: x}\ncheckpoint: {allow: [optimizer.old]}", "saved", {}, root);
  EXPECT_THAT(config.checkpoint.allow, ElementsAre("optimizer.old"));
}

}  // namespace
}  // namespace ebb::config
