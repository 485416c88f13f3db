// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

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

class Condition : public ConfigTest {
 protected:
  std::string load_or_refusal(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    config_ = {};
    Section root;
    config_.describe(root);
    try {
      config::load_text(yaml, "a.yaml", overrides, root);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
    return resolved_yaml(root);
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

}  // namespace
}  // namespace ebb::config
