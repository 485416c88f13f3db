// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "config/example_config.h"

namespace ebb::config {
namespace {

TEST_F(ConfigTest, ARenamedKeyIsRefusedWithItsNewName) {
  EXPECT_EQ(refusal("run: {name: x}\noptimizer: {decay: 0.1}\n"),
            "a.yaml:2: key `optimizer.decay`: renamed; write `optimizer.weight_decay`");
  EXPECT_EQ(refusal("run: {name: x}\n", {"optimizer.decay=0.1"}),
            "override `optimizer.decay=0.1`: key `optimizer.decay`: renamed; write `optimizer.weight_decay`");
}

TEST_F(ConfigTest, ARemovedKeyIsRefusedWithWhatToDo) {
  EXPECT_EQ(refusal("run: {name: x}\noptimizer: {amsgrad: true}\n"),
            "a.yaml:2: key `optimizer.amsgrad`: removed; leave it out");
}

TEST_F(ConfigTest, OldKeysAreNeitherResolvedNorInTheSchema) {
  ExampleConfig config;
  Section root;
  config.describe(root);
  for (const std::string& text : {resolved_yaml(root), json_schema(root), explain(root, "")})
    EXPECT_THAT(text, ::testing::Not(
                          ::testing::AnyOf(::testing::HasSubstr("amsgrad"), ::testing::HasSubstr(" decay"))));
}

TEST(OldKeys, ANewNameThatIsNoKeyIsAFaultOfTheDescription) {
  Section section;
  EXPECT_THROW(section.renamed("old", "new"), Error);
}

}  // namespace
}  // namespace ebb::config
