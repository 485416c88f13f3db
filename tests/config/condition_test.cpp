// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "config/example_config.h"

namespace ebb::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Keys of one kind of model, and below these keys of one variant.
struct ModelConfig {
  enum class Kind { image, text };
  Kind kind = Kind::image;
  bool wide = false;
  std::int64_t width = 64, context = 256, angle = 3;
  void describe(Section& s) {
    s.choice("kind", kind, {{"image", Kind::image}, {"text", Kind::text}});
    s.only_where(
        "kind is image", [this] { return kind == Kind::image; },
        [this](Section& keys) { keys.integer("width", width).doc("Of an image."); });
    s.only_where(
        "kind is text", [this] { return kind == Kind::text; },
        [this](Section& keys) {
          keys.integer("context", context);
          keys.flag("wide", wide);
          keys.only_where(
              "wide is true", [this] { return wide; },
              [this](Section& below) { below.child("rope", "Angles.").integer("angle", angle); });
        });
  }
};

// The message of the Error(usage) that loading throws; empty if it throws none.
std::string refusal_of(Section& root, const std::string& yaml,
                       const std::vector<std::string>& overrides = {}) {
  try {
    config::load_text(yaml, "a.yaml", overrides, root);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

class Condition : public ConfigTest {
 protected:
  std::string load_or_refusal(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    config_ = {};
    Section root;
    config_.describe(root);
    const std::string refused = refusal_of(root, yaml, overrides);
    return refused.empty() ? resolved_yaml(root) : refused;
  }
  ModelConfig config_;
};

TEST_F(Condition, KeysOfAnotherKindAreRefusedEverywhere) {
  EXPECT_EQ(load_or_refusal("context: 5\nkind: image\n"),
            "a.yaml:1: key `context`: applies only where kind is text: leave it out");
  EXPECT_THAT(load_or_refusal("kind: text\n", {"width=3"}), HasSubstr("only where kind is image"));
  EXPECT_THAT(load_or_refusal("kind: text\nrope: {angle: 2}\n"),
              HasSubstr("only where kind is text and wide is true"));
  EXPECT_THAT(load_or_refusal("context: 5\n", {"kind=text"}), HasSubstr("context: 5"));
}

TEST_F(Condition, OnlyKeysThatCountAreResolved) {
  EXPECT_EQ(load_or_refusal("kind: image\n"), "kind: image\nwidth: 64\n");
  EXPECT_EQ(load_or_refusal("kind: text\n"), "kind: text\ncontext: 256\nwide: false\n");
  const std::string wide = load_or_refusal("kind: text\nwide: true\n");
  EXPECT_EQ(wide, "kind: text\ncontext: 256\nwide: true\nrope:\n  angle: 3\n");
  EXPECT_EQ(load_or_refusal(wide), wide);
}

TEST_F(Condition, IsExplained) {
  Section root;
  config_.describe(root);
  EXPECT_THAT(explain(root, "width"), HasSubstr("only where kind is image"));
  EXPECT_THAT(json_schema(root), HasSubstr("Only where kind is text and wide is true."));
  EXPECT_THAT(explain(root, "kind"), Not(HasSubstr("only where")));
}

// Two kinds that describe the same keys, each with a member, bounds and a default of its own.
struct SharedKeys {
  enum class Kind { small, large };
  Kind kind = Kind::small;
  std::int64_t small_latent = 4, large_latent = 400, small_depth = 1, large_depth = 9;
  void describe(Section& s) {
    s.only_where(
        "kind is small", [this] { return kind == Kind::small; },
        [this](Section& keys) {
          keys.integer("latent", small_latent).at_most(100).doc("Of the small one.");
          keys.child("body", "The layers.").integer("depth", small_depth);
        });
    s.only_where(
        "kind is large", [this] { return kind == Kind::large; },
        [this](Section& keys) {
          keys.integer("latent", large_latent).at_least(200).doc("Of the large one.");
          keys.child("body", "The layers.").integer("depth", large_depth);
        });
    s.choice("kind", kind, {{"small", Kind::small}, {"large", Kind::large}});
  }
};

class SharedKey : public ::testing::Test {
 protected:
  void SetUp() override { config_.describe(root_); }
  std::string outcome_of(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    const std::string refused = refusal_of(root_, yaml, overrides);
    return refused.empty() ? resolved_yaml(root_) : refused;
  }
  SharedKeys config_;
  Section root_;
};

TEST_F(SharedKey, SetsTheMemberOfTheKindThatIsChosen) {
  EXPECT_EQ(outcome_of("latent: 300\nbody: {depth: 7}\nkind: large\n"),
            "body:\n  depth: 7\nlatent: 300\nkind: large\n");
  EXPECT_EQ(config_.large_latent, 300);
  EXPECT_EQ(config_.small_latent, 4);
  EXPECT_EQ(config_.large_depth, 7);
  EXPECT_EQ(config_.small_depth, 1);
}

TEST_F(SharedKey, HasTheDefaultAndTheBoundsOfTheKindThatIsChosen) {
  EXPECT_EQ(outcome_of(""), "latent: 4\nbody:\n  depth: 1\nkind: small\n");
  EXPECT_EQ(outcome_of("", {"kind=large"}), "body:\n  depth: 9\nlatent: 400\nkind: large\n");
  EXPECT_THAT(outcome_of("latent: 50\n", {"kind=large"}), HasSubstr("a.yaml:1: key `latent`"));
  EXPECT_THAT(outcome_of("latent: 300\nkind: small\n"), HasSubstr("a.yaml:1: key `latent`"));
}

TEST_F(SharedKey, IsExplainedForEachKind) {
  const std::string text = explain(root_, "latent");
  EXPECT_THAT(text, HasSubstr("Of the small one.\n  only where kind is small"));
  EXPECT_THAT(text, HasSubstr("Of the large one.\n  only where kind is large"));
  const std::string schema = json_schema(root_);
  EXPECT_THAT(schema, HasSubstr("\"anyOf\""));
  EXPECT_THAT(schema, HasSubstr("\"maximum\": 100"));
  EXPECT_THAT(schema, HasSubstr("\"minimum\": 200"));
}

// A rule for each kind, one of them in a nested condition and one in a child.
TEST(ConditionalRule, IsCheckedOnlyWhereItsConditionsHold) {
  bool outer = false, inner = false;
  std::int64_t low = 3, high = 2;
  std::vector<std::string> checked;
  Section root;
  root.flag("outer", outer);
  root.flag("inner", inner);
  root.only_where(
      "outer is true", [&] { return outer; },
      [&](Section& s) {
        s.integer("low", low);
        s.rule({"low"}, [&]() -> std::string {
          checked.emplace_back("outer");
          return "";
        });
        s.only_where(
            "inner is true", [&] { return inner; },
            [&](Section& keys) {
              keys.integer("high", high);
              keys.rule({"low", "high"}, [&]() -> std::string {
                checked.emplace_back("inner");
                return low < high ? "" : "set high above low";
              });
              Section& child = keys.child("body", "");
              child.integer("depth", high);
              child.rule({"depth"}, [&]() -> std::string {
                checked.emplace_back("child");
                return "";
              });
            });
      });
  const auto refusal = [&](const std::string& yaml) {
    checked.clear();
    low = 3, high = 2;
    outer = inner = false;
    return refusal_of(root, yaml);
  };
  using ::testing::IsEmpty;
  using ::testing::UnorderedElementsAre;
  EXPECT_EQ(refusal("inner: true\n"), "");
  EXPECT_THAT(checked, IsEmpty());
  EXPECT_EQ(refusal("outer: true\n"), "");
  EXPECT_THAT(checked, UnorderedElementsAre("outer"));
  EXPECT_EQ(refusal("outer: true\ninner: true\nhigh: 4\nbody: {depth: 5}\n"), "");
  EXPECT_THAT(checked, UnorderedElementsAre("outer", "inner", "child"));
  EXPECT_THAT(refusal("outer: true\ninner: true\nhigh: 3\nbody: {depth: 3}\n"),
              HasSubstr("set high above low"));
}

TEST_F(SharedKey, IsRefusedUnderOneConditionTwiceOrBesideAnUnconditionalKey) {
  std::int64_t value = 0;
  const auto always = [] { return true; };
  Section plain;
  plain.integer("width", value);
  EXPECT_THROW(plain.only_where("x is y", always, [&](Section& s) { s.integer("width", value); }), Error);
  Section root;
  root.only_where("x is y", always, [&](Section& s) {
    s.integer("depth", value);
    EXPECT_THROW(s.integer("depth", value), Error);
    EXPECT_THROW(s.integer("height", value).required(), Error);
  });
  EXPECT_THROW(root.only_where("x is z", always, [&](Section& s) { s.child("depth", ""); }), Error);
}

// Of `second`, positions decides which description of theta applies, and is described after it.
TEST_F(SharedKey, MayDependOnASharedKeyThatIsDescribedLater) {
  bool second = false, first_rope = true, second_rope = false;
  std::int64_t first_theta = 1, second_theta = 2;
  Section root;
  root.flag("second", second);
  root.only_where(
      "second is false", [&] { return !second; },
      [&](Section& s) {
        s.integer("theta", first_theta);
        s.flag("rope", first_rope);
      });
  root.only_where(
      "second is true", [&] { return second; },
      [&](Section& s) {
        s.flag("rope", second_rope);
        s.only_where(
            "rope is true", [&] { return second_rope; },
            [&](Section& keys) { keys.integer("theta", second_theta); });
      });
  config::load_text("second: true\ntheta: 7\nrope: true\n", "a.yaml", {}, root);
  EXPECT_EQ(second_theta, 7);
  EXPECT_EQ(first_theta, 1);
  EXPECT_THROW(config::load_text("second: true\ntheta: 7\nrope: false\n", "a.yaml", {}, root), Error);
}

TEST_F(SharedKey, OfConditionsThatHoldTogetherIsAnInternalError) {
  std::int64_t value = 0;
  const auto always = [] { return true; };
  Section root;
  root.only_where("x is y", always, [&](Section& s) { s.integer("depth", value); });
  root.only_where("x is z", always, [&](Section& s) { s.integer("depth", value); });
  try {
    config::load_text("", "a.yaml", {}, root);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    EXPECT_THAT(error.what(), HasSubstr("x is y or x is z"));
  }
}

TEST_F(Condition, JsonValuesOmitKeysThatDoNotApply) {
  const auto values = [](ModelConfig config) {
    Section root;
    config.describe(root);
    return json_values(root).dump();
  };
  EXPECT_EQ(values({}), R"({"kind":"image","width":64})");
  ModelConfig text;
  text.kind = ModelConfig::Kind::text;
  EXPECT_EQ(values(text), R"({"context":256,"kind":"text","wide":false})");
  text.wide = true;
  EXPECT_EQ(values(text), R"({"context":256,"kind":"text","rope":{"angle":3},"wide":true})");
}

}  // namespace
}  // namespace ebb::config
