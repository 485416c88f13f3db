// SPDX-License-Identifier: Apache-2.0
#include "config/environment_variables.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "config/example_config.h"

namespace ebb::config {
namespace {

TEST(Environment, SubstitutesValuesAndDefaults) {
  const ScopedVariable data("EBB_TEST_DATA", "/data");
  const ScopedVariable unset("EBB_TEST_UNSET", nullptr);
  const ScopedVariable empty("EBB_TEST_EMPTY", "");
  EXPECT_EQ(expand_environment("${EBB_TEST_DATA}/mnist"), "/data/mnist");
  EXPECT_EQ(expand_environment("${EBB_TEST_DATA:-x}${EBB_TEST_UNSET:-y z}"), "/datay z");
  EXPECT_EQ(expand_environment("${EBB_TEST_UNSET:-}"), "");
  EXPECT_EQ(expand_environment("${EBB_TEST_EMPTY:-default}"), "default");
  EXPECT_EQ(expand_environment("${EBB_TEST_EMPTY}"), "") << "set, although to nothing";
}

TEST(Environment, LeavesOtherDollarsAlone) {
  EXPECT_EQ(expand_environment("$HOME costs 5$ {x} $"), "$HOME costs 5$ {x} $");
  EXPECT_EQ(expand_environment("$${NAME}"), "${NAME}");
}

TEST(Environment, DoesNotExpandSubstitutedText) {
  const ScopedVariable data("EBB_TEST_DATA", "${HOME}");
  EXPECT_EQ(expand_environment("${EBB_TEST_DATA}"), "${HOME}");
}

TEST(Environment, EscapedTextIsRestored) {
  for (const char* text : {"${A}", "$${A}", "$$${A}${", "$", "$$", "a{b}"}) {
    EXPECT_EQ(expand_environment(escape_environment(text)), text);
  }
}

TEST(Environment, NamesVariablesWithoutTheirValues) {
  const ScopedVariable unset("EBB_TEST_UNSET", nullptr);
  EXPECT_EQ(variables_of("a/${EBB_TEST_UNSET}/$${B}${C:-d}"),
            (std::vector<std::string>{"EBB_TEST_UNSET", "C"}));
  for (const char* text : {"${A}", "x$${B}${A:-}", "$${${A}", "${A", "${}"})
    EXPECT_TRUE(refers_to_environment(text)) << text;
  for (const char* text : {"", "$A", "$${A}", "$$${A}", "{A}", "$"})
    EXPECT_FALSE(refers_to_environment(text)) << text;
}

TEST(Environment, RefusesMalformedReferences) {
  for (const char* text : {"${}", "${1A}", "${A-b}", "${A B}", "${A", "${A:-${B}}", "${A:-"}) {
    EXPECT_THROW(expand_environment(text), std::invalid_argument) << text;
    EXPECT_THROW(variables_of(text), std::invalid_argument) << text;
    EXPECT_TRUE(refers_to_environment(text)) << text;
  }
}

TEST_F(ConfigTest, TakesValuesFromTheEnvironment) {
  const ScopedVariable name("EBB_TEST_NAME", "vae");
  const ScopedVariable steps("EBB_TEST_STEPS", "7");
  const ScopedVariable unset("EBB_TEST_UNSET", nullptr);
  const ExampleConfig config = load_text(
      "run: {name: \"${EBB_TEST_NAME}-1\", steps: \"${EBB_TEST_STEPS}\"}\n"
      "memory:\n  timeout: ${EBB_TEST_UNSET:-5m}\n",
      {"run.dir=${EBB_TEST_UNSET:-here}/runs"});
  EXPECT_EQ(config.run.name, "vae-1");
  EXPECT_EQ(config.run.steps, 7) << "what a reference stands for is typed although it stands in quotes";
  EXPECT_EQ(config.run.dir, "here/runs");
  EXPECT_EQ(config.memory.timeout, 300);
}

TEST_F(ConfigTest, RefusesAnUnsetVariable) {
  const ScopedVariable unset("EBB_TEST_UNSET", nullptr);
  EXPECT_EQ(refusal("run: {name: \"${EBB_TEST_UNSET}\"}"),
            "a.yaml:1: key `run.name`: the environment variable EBB_TEST_UNSET is not set; set it, or write "
            "${EBB_TEST_UNSET:-default}");
  EXPECT_EQ(load_text("run: {name: \"${EBB_TEST_UNSET}\"}", {"run.name=x"}).run.name, "x")
      << "an overridden value is not looked at";
}

TEST_F(ConfigTest, ChecksBoundsOfValuesFromTheEnvironment) {
  const ScopedVariable steps("EBB_TEST_STEPS", "0");
  EXPECT_EQ(refusal("run: {name: x, steps: \"${EBB_TEST_STEPS}\"}"),
            "a.yaml:1: key `run.steps`: what `${EBB_TEST_STEPS}` stands for does not fit, and is not shown; "
            "allowed: an integer at least 1 and at most 1000000");
}

}  // namespace
}  // namespace ebb::config
