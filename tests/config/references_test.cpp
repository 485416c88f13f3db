// SPDX-License-Identifier: Apache-2.0
// Values from the environment stay in memory: files and messages have their references as they were written.
#include "config/references.h"

#include <gmock/gmock.h>

#include <array>
#include <functional>

#include "config/example_config.h"

namespace ebb::config {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr const char* kSecret = "hf_9QzrT7secret";

// A configuration and the references that were read into it.
struct Loaded {
  ExampleConfig config;
  References references;

  std::string resolved() { return with(resolved_yaml); }
  std::vector<std::pair<std::string, std::string>> mathematical() { return with(mathematical_values); }
  std::string digest_of_values() {
    Section root;
    config.describe(root);
    return digest(root);
  }

 private:
  template <class Result>
  Result with(Result (*write)(const Section&, const References&)) {
    Section root;
    config.describe(root);
    return write(root, references);
  }
};

Loaded read(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  Loaded loaded;
  Section root;
  loaded.config.describe(root);
  loaded.references = load_text(yaml, "a.yaml", overrides, root);
  return loaded;
}

Loaded read_saved(const std::string& yaml, const std::vector<std::string>& overrides = {},
                  const std::vector<std::string>& defaulted = {}) {
  Loaded loaded;
  Section root;
  loaded.config.describe(root);
  loaded.references = load_saved(yaml, "runs/x", overrides, root, defaulted);
  return loaded;
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

class ReferencesTest : public ::testing::Test {
 protected:
  ScopedVariable token_{"EBB_TEST_TOKEN", kSecret};
  ScopedVariable unset_{"EBB_TEST_UNSET", nullptr};
};

TEST_F(ReferencesTest, ResolvedTextsAreAsWritten) {
  Loaded loaded = read("run: {name: \"${EBB_TEST_TOKEN}\", dir: \"$${A}/${EBB_TEST_TOKEN:-d}\\\"\"}",
                       {"memory.timeout=${EBB_TEST_UNSET:-5m}"});
  EXPECT_EQ(loaded.config.run.name, kSecret);
  EXPECT_EQ(loaded.config.run.dir, "${A}/" + std::string(kSecret) + "\"");
  const std::string text = loaded.resolved();
  EXPECT_THAT(text, StartsWith("run:\n  name: \"${EBB_TEST_TOKEN}\"\n"
                               "  dir: \"$${A}/${EBB_TEST_TOKEN:-d}\\\"\"\n"));
  EXPECT_THAT(text, Not(HasSubstr(kSecret)));
  EXPECT_EQ(read(text).config.run.dir, loaded.config.run.dir);
  EXPECT_EQ(read(text).resolved(), text);
}

TEST_F(ReferencesTest, AnOverrideIsAsWrittenToo) {
  Loaded loaded = read("run: {name: x}", {"run.name=a-${EBB_TEST_TOKEN}"});
  EXPECT_EQ(loaded.config.run.name, "a-" + std::string(kSecret));
  EXPECT_THAT(loaded.resolved(), StartsWith("run:\n  name: \"a-${EBB_TEST_TOKEN}\"\n"));
  EXPECT_THAT(read("run: {name: \"${EBB_TEST_TOKEN}\"}", {"run.name=x"}).references, IsEmpty());
}

TEST_F(ReferencesTest, ADefaultIsAsWritten) {
  Loaded loaded = read("run: {name: \"${EBB_TEST_UNSET:-data}/x\"}");
  EXPECT_EQ(loaded.config.run.name, "data/x");
  EXPECT_THAT(loaded.resolved(), HasSubstr("name: \"${EBB_TEST_UNSET:-data}/x\"\n"));
}

// Otherwise a saved configuration would not say what the run was.
TEST_F(ReferencesTest, NumbersSizesAndWordsAreWrittenAsWhatTheyStandFor) {
  const ScopedVariable rate("EBB_TEST_RATE", "0.5"), kind("EBB_TEST_KIND", "constant");
  Loaded loaded = read(
      "run: {name: x}\noptimizer: {lr: \"${EBB_TEST_RATE}\", schedule: {kind: \"${EBB_TEST_KIND}\"}}\n"
      "memory: {bucket: \"${EBB_TEST_UNSET:-2MiB}\"}");
  for (const char* text : {"lr: 0.5\n", "kind: constant\n", "bucket: 2MiB\n"})
    EXPECT_THAT(loaded.resolved(), HasSubstr(text));
  EXPECT_THAT(loaded.mathematical(), Contains(Pair("optimizer.lr", "0.5")));
}

TEST_F(ReferencesTest, AValueThatTheProgramHasChangedIsWritten) {
  Loaded loaded = read("run: {name: \"${EBB_TEST_TOKEN}\"}");
  loaded.config.run.name = "other";
  EXPECT_THAT(loaded.resolved(), HasSubstr("name: other\n"));
}

TEST_F(ReferencesTest, AResumeComparesTextsAsWrittenAndRanksCompareValues) {
  Loaded first = read("run: {name: \"${EBB_TEST_TOKEN}\"}");
  const ScopedVariable other("EBB_TEST_TOKEN", "other");
  Loaded second = read("run: {name: \"${EBB_TEST_TOKEN}\"}");
  EXPECT_THAT(first.mathematical(), Contains(Pair("run.name", "\"${EBB_TEST_TOKEN}\"")));
  EXPECT_EQ(first.mathematical(), second.mathematical());
  EXPECT_NE(first.digest_of_values(), second.digest_of_values());
  EXPECT_NE(read("run: {name: other}").mathematical(), second.mathematical());
}

TEST_F(ReferencesTest, MessagesDoNotShowWhatAReferenceStandsFor) {
  const std::string text = message_of([] {
    read(
        "run: {name: x, steps: \"${EBB_TEST_TOKEN}\", shuffle: \"${EBB_TEST_TOKEN}\"}\n"
        "optimizer: {lr: \"${EBB_TEST_TOKEN}\", schedule: {kind: \"${EBB_TEST_TOKEN}\"}}\n"
        "memory: {bucket: \"${EBB_TEST_TOKEN}\", timeout: \"${EBB_TEST_TOKEN}\"}\n");
  });
  EXPECT_THAT(text, StartsWith("the configuration has 6 problems:"));
  EXPECT_THAT(text, HasSubstr("key `run.shuffle`: what `${EBB_TEST_TOKEN}` stands for does not fit, and is "
                              "not shown; allowed: true or false"));
  EXPECT_THAT(text, Not(HasSubstr(kSecret)));
  const ScopedVariable bad("EBB_TEST_TOKEN", "secret\n");
  EXPECT_THAT(message_of([] { read("run: {name: \"${EBB_TEST_TOKEN}\"}"); }), Not(HasSubstr("secret")));
}

TEST_F(ReferencesTest, MessagesOfRulesDoNotShowItEither) {
  std::string address;
  Section root;
  root.text("address", address);
  root.rule({"address"}, [&] { return "no " + address + ", an address, or /" + address + ":80"; });
  EXPECT_EQ(message_of([&] { load_text("address: \"${EBB_TEST_TOKEN}\"", "a.yaml", {}, root); }),
            "a.yaml:1: key `address`: no ${EBB_TEST_TOKEN}, an address, or /${EBB_TEST_TOKEN}:80");
  const ScopedVariable letter("EBB_TEST_TOKEN", "a");
  EXPECT_EQ(message_of([&] { load_text("address: \"${EBB_TEST_TOKEN}\"", "a.yaml", {}, root); }),
            "a.yaml:1: key `address`: no ${EBB_TEST_TOKEN}, an address, or /${EBB_TEST_TOKEN}:80");
  EXPECT_EQ(message_of([&] { load_saved("address: \"${EBB_TEST_TOKEN}\"", "runs/x", {}, root); }), "")
      << "a rule about an unknown value is not checked";
}

TEST_F(ReferencesTest, ASavedConfigurationGetsNothingFromTheEnvironment) {
  const std::string yaml = "run: {name: x, dir: \"${EBB_TEST_TOKEN}/${EBB_TEST_UNSET}/${A:-b}\"}";
  Loaded loaded = read_saved(yaml);
  EXPECT_EQ(loaded.config.run.dir, "${EBB_TEST_TOKEN}/${EBB_TEST_UNSET}/${A:-b}");
  EXPECT_THAT(loaded.resolved(), HasSubstr("dir: \"${EBB_TEST_TOKEN}/${EBB_TEST_UNSET}/${A:-b}\"\n"));
  EXPECT_EQ(message_of([&] { require_known(loaded.references, "run.dir"); }),
            "runs/x:1: key `run.dir`: saved as `${EBB_TEST_TOKEN}/${EBB_TEST_UNSET}/${A:-b}`, and ebb does "
            "not fill in saved values from the environment (EBB_TEST_TOKEN, EBB_TEST_UNSET, A); add "
            "run.dir=VALUE to the command");
  EXPECT_EQ(message_of([&] { require_known(loaded.references, "run.name"); }), "");
  EXPECT_EQ(read_saved("run: {name: \"$${A}\"}").config.run.name, "${A}") << "a literal is no reference";
}

// A reader has what the run had: a default, whatever the reader's environment has.
TEST_F(ReferencesTest, ASavedConfigurationGetsTheDefaultsThatTheRunHad) {
  const std::string yaml = "run: {name: x, dir: \"${EBB_TEST_UNSET:-data}/x\"}";
  EXPECT_THAT(defaulted_keys(read(yaml).references), ElementsAre("run.dir"));
  for (const char* of_reader : {static_cast<const char*>(nullptr), kSecret}) {
    const ScopedVariable variable("EBB_TEST_UNSET", of_reader);
    Loaded loaded = read_saved(yaml, {}, {"run.dir"});
    EXPECT_EQ(loaded.config.run.dir, "data/x");
    EXPECT_EQ(message_of([&] { require_known(loaded.references, "run.dir"); }), "");
    EXPECT_THAT(loaded.resolved(), HasSubstr("dir: \"${EBB_TEST_UNSET:-data}/x\"\n"));
  }
}

TEST_F(ReferencesTest, ASavedConfigurationGetsNoDefaultThatTheRunDidNotHave) {
  const std::string yaml = "run: {name: \"${EBB_TEST_TOKEN:-d}\", dir: \"${EBB_TEST_TOKEN}\"}";
  EXPECT_THAT(defaulted_keys(read(yaml).references), IsEmpty());
  const ScopedVariable unset("EBB_TEST_TOKEN", nullptr);
  for (const std::vector<std::string>& defaulted : {std::vector<std::string>{}, {"run.dir"}}) {
    Loaded loaded = read_saved(yaml, {}, defaulted);
    EXPECT_EQ(loaded.config.run.name, "${EBB_TEST_TOKEN:-d}");
    for (const char* key : {"run.name", "run.dir"})
      EXPECT_THAT(message_of([&] { require_known(loaded.references, key); }), HasSubstr("(EBB_TEST_TOKEN)"));
  }
}

TEST_F(ReferencesTest, OverridesOfASavedConfigurationAreTheUsersOwn) {
  Loaded loaded = read_saved("run: {name: x, dir: \"${EBB_TEST_UNSET}\"}", {"run.dir=${EBB_TEST_TOKEN}"});
  EXPECT_EQ(loaded.config.run.dir, kSecret);
  EXPECT_EQ(message_of([&] { require_known(loaded.references, "run.dir"); }), "");
  EXPECT_THAT(loaded.resolved(), Not(HasSubstr(kSecret)));
}

TEST_F(ReferencesTest, ASavedNumberHasNoReference) {
  const ScopedVariable steps("EBB_TEST_STEPS", "7");
  EXPECT_EQ(message_of([] { read_saved("run: {name: x, steps: \"${EBB_TEST_STEPS}\"}"); }),
            "runs/x:1: key `run.steps`: `${EBB_TEST_STEPS}` refers to the environment, and ebb does not fill "
            "in saved values from there; allowed: an integer at least 1 and at most 1000000");
  EXPECT_THAT(message_of([] { read_saved("run: {name: \"${A\"}"); }), HasSubstr("has no closing brace"));
  EXPECT_THAT(message_of([] { read_saved("run: {name: \"\\x1b${A}\"}"); }),
              HasSubstr("`\\x1b${A}` has the byte 0x1b"));
}

}  // namespace
}  // namespace ebb::config
