// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "config/example_config.h"

namespace ebb::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

TEST_F(ConfigTest, FillsEveryKindOfKey) {
  const ExampleConfig config = load_text(R"(
run: {name: vae, dir: "out put", steps: 10, shuffle: false}
optimizer:
  lr: 3e-4
  weight_decay: 0
  schedule: {kind: constant, warmup_steps: 0}
memory: {bucket: 2MiB, budget: 1.5GiB, micro_batch: 8, timeout: 5m}
checkpoint: {allow: [run.steps, "optimizer"]}
)");
  EXPECT_EQ(config.run.name, "vae");
  EXPECT_EQ(config.run.dir, "out put");
  EXPECT_EQ(config.run.steps, 10);
  EXPECT_FALSE(config.run.shuffle);
  EXPECT_EQ(config.optimizer.lr, 3e-4);
  EXPECT_EQ(config.optimizer.decay, 0);
  EXPECT_EQ(config.optimizer.schedule.kind, ScheduleConfig::Kind::constant);
  EXPECT_EQ(config.optimizer.schedule.warmup_steps, 0);
  EXPECT_EQ(config.memory.bucket, 2 << 20);
  EXPECT_THAT(config.memory.budget, Optional(1610612736));
  EXPECT_THAT(config.memory.micro_batch, Optional(8));
  EXPECT_EQ(config.memory.timeout, 300);
  EXPECT_THAT(config.checkpoint.allow, ElementsAre("run.steps", "optimizer"));
}

TEST_F(ConfigTest, KeepsDefaultsOfMissingKeys) {
  const ExampleConfig config = load_text("run: {name: vae}\nmemory: {budget: auto}\n");
  EXPECT_EQ(config.run.dir, "runs");
  EXPECT_EQ(config.optimizer.lr, 1e-3);
  EXPECT_EQ(config.optimizer.schedule.kind, ScheduleConfig::Kind::cosine);
  EXPECT_EQ(config.memory.budget, std::nullopt);
  EXPECT_THAT(config.checkpoint.allow, IsEmpty());
}

TEST_F(ConfigTest, AcceptsAnEmptyFileAndAliases) {
  EXPECT_EQ(load_text("", {"run.name=x"}).run.name, "x");
  EXPECT_EQ(load_text("# nothing\n", {"run.name=x"}).run.steps, 2000);
  EXPECT_EQ(load_text("run: {name: &n vae, dir: *n}").run.dir, "vae");
}

TEST_F(ConfigTest, RefusesTextThatCannotBePrinted) {
  EXPECT_EQ(refusal("run: {name: x, dir: \"a\\tb\"}\n"),
            "a.yaml:1: key `run.dir`: `a\tb` has the byte 0x09 at offset 1, which is no printable UTF-8; "
            "allowed: text");
  EXPECT_THAT(refusal("run: {name: x}\n", {"run.dir=d\xe9/x"}),
              HasSubstr("`d\\xe9/x` has the byte 0xe9 at offset 1"));
  EXPECT_THAT(refusal("run: {name: x}\n", {"run.dir=\x1b[2J"}), HasSubstr("`\\x1b[2J` has the byte 0x1b"));
  EXPECT_EQ(load_text("run: {name: x, dir: \"\xc3\xa9 \xe6\xbc\xa2\"}\n").run.dir, "\xc3\xa9 \xe6\xbc\xa2");
}

TEST_F(ConfigTest, RefusesUnknownKeysAndSuggestsTheNearest) {
  EXPECT_EQ(refusal("run: {name: x}\n\noptimzer: {lr: 1}\n"),
            "a.yaml:3: key `optimzer`: unknown; did you mean `optimizer`?");
  EXPECT_EQ(
      refusal("run: {name: x}\noptimizer:\n  schedule:\n    warmup: 3\n"),
      "a.yaml:4: key `optimizer.schedule.warmup`: unknown; did you mean `optimizer.schedule.warmup_steps`?");
  EXPECT_EQ(refusal("run: {name: x}\nlr: 3\n"), "a.yaml:2: key `lr`: unknown; did you mean `optimizer.lr`?");
  EXPECT_EQ(refusal("run: {name: x}\noptimizer: {momentum: 3}\n"),
            "a.yaml:2: key `optimizer.momentum`: unknown; known keys here are: lr, weight_decay, schedule");
  EXPECT_EQ(refusal("run: {name: x}\ntelemetry: {}\n"),
            "a.yaml:2: key `telemetry`: unknown; known keys are: run, optimizer, memory, checkpoint");
}

TEST_F(ConfigTest, RefusesKeysGivenTwice) {
  EXPECT_EQ(refusal("run:\n  name: x\n  steps: 1\n  steps: 2\n"),
            "a.yaml:4: key `run.steps`: given twice, first in line 3; keep one of them");
  EXPECT_EQ(refusal("run: {name: x}\nmemory: {}\nrun: {name: y}\n"),
            "a.yaml:3: key `run`: given twice, first in line 1; keep one of them");
}

TEST_F(ConfigTest, RefusesMissingRequiredKeys) {
  EXPECT_EQ(refusal("memory: {}\n"), "a.yaml: key `run.name`: required, but not given; allowed: text");
  EXPECT_EQ(refusal("memory: {}\nrun: {steps: 3}\n"),
            "a.yaml:2: key `run.name`: required, but not given; allowed: text");
}

TEST_F(ConfigTest, RefusesEmptyValues) {
  EXPECT_EQ(refusal("run:\n  name:\n"), "a.yaml:2: key `run.name`: has no value; allowed: text");
  EXPECT_EQ(refusal("run: {name: x, steps: ~}\n"),
            "a.yaml:1: key `run.steps`: has no value; allowed: an integer at least 1 and at most 1000000");
  EXPECT_EQ(refusal("run: {name: null}\n"), "a.yaml:1: key `run.name`: has no value; allowed: text");
  EXPECT_EQ(refusal("run: {name: x}\nmemory:\n"),
            "a.yaml:2: key `memory`: is empty; allowed: a section with the keys bucket, budget, micro_batch, "
            "timeout");
  EXPECT_EQ(load_text("run: {name: \"\"}\n").run.name, "") << "an empty text in quotes is a value";
}

TEST_F(ConfigTest, RefusesListsAndSectionsWhereOneValueIsExpected) {
  EXPECT_EQ(refusal("run:\n  name: [a, b]\n"),
            "a.yaml:2: key `run.name`: is a list where one value is expected; allowed: text");
  EXPECT_EQ(
      refusal("run: {name: x}\noptimizer: {lr: {peak: 1}}\n"),
      "a.yaml:2: key `optimizer.lr`: is a section where one value is expected; allowed: a number above 0");
  EXPECT_EQ(
      refusal("run: vae\n"),
      "a.yaml:1: key `run`: is a single value; allowed: a section with the keys name, dir, steps, shuffle");
}

TEST_F(ConfigTest, RefusesIntegersInOtherNotations) {
  const std::string allowed = "; allowed: an integer at least 1 and at most 1000000";
  const auto of = [&](const std::string& value) { return refusal("run: {name: x, steps: " + value + "}"); };
  const std::string key = "a.yaml:1: key `run.steps`: ";
  EXPECT_EQ(
      of("1e3"),
      key + "`1e3` is written as a real number; an integer is written with digits only: 1000" + allowed);
  EXPECT_EQ(of("2.0"),
            key + "`2.0` is written as a real number; an integer is written with digits only: 2" + allowed);
  EXPECT_EQ(of("1.5"), key + "`1.5` is not a whole number" + allowed);
  EXPECT_EQ(of("many"), key + "`many` is not an integer" + allowed);
  EXPECT_EQ(of("0x10"), key + "`0x10` is not an integer" + allowed);
  EXPECT_EQ(of("\"5\""), key + "\"5\" is text, because of its quotes" + allowed);
  EXPECT_EQ(of("010"), key + "`010` has leading zeros, which YAML readers interpret differently" + allowed);
  EXPECT_EQ(of("9223372036854775808"), key + "`9223372036854775808` does not fit into 64 bits" + allowed);
  EXPECT_EQ(of("0"), key + "`0` is out of range" + allowed);
  EXPECT_EQ(of("1000001"), key + "`1000001` is out of range" + allowed);
  EXPECT_EQ(of("1000000"), "");
}

TEST_F(ConfigTest, RefusesNumbersThatAreNotFiniteOrOutOfRange) {
  const auto of = [&](const std::string& value) {
    return refusal("run: {name: x}\noptimizer: {lr: " + value + "}");
  };
  const std::string key = "a.yaml:2: key `optimizer.lr`: ";
  const std::string allowed = "; allowed: a number above 0";
  for (const std::string value : {".nan", "nan", "inf", ".inf", "-.Inf", "NaN"}) {
    EXPECT_EQ(of(value), key + "`" + value + "` is not a finite number" + allowed);
  }
  EXPECT_EQ(of("1e999"), key + "`1e999` is too large or too small for a double" + allowed);
  EXPECT_EQ(of("fast"), key + "`fast` is not a number" + allowed);
  EXPECT_EQ(of("0"), key + "`0` is out of range" + allowed);
  EXPECT_EQ(of("1e-3"), "");
  EXPECT_EQ(of("2"), "");
  EXPECT_EQ(refusal("run: {name: x}\noptimizer: {weight_decay: 1}"),
            "a.yaml:2: key `optimizer.weight_decay`: `1` is out of range; allowed: a number at least 0 and "
            "below 1");
}

TEST_F(ConfigTest, RefusesFlagsOtherThanTrueAndFalse) {
  for (const std::string value : {"yes", "on", "True", "1"}) {
    EXPECT_EQ(
        refusal("run: {name: x, shuffle: " + value + "}"),
        "a.yaml:1: key `run.shuffle`: `" + value + "` is neither true nor false; allowed: true or false");
  }
}

TEST_F(ConfigTest, RefusesUnknownWordsAndSuggestsTheNearest) {
  EXPECT_EQ(refusal("run: {name: x}\noptimizer: {schedule: {kind: cosin}}"),
            "a.yaml:2: key `optimizer.schedule.kind`: `cosin` is not known, did you mean `cosine`?; allowed: "
            "constant, cosine");
  EXPECT_EQ(refusal("run: {name: x}\noptimizer: {schedule: {kind: 7}}"),
            "a.yaml:2: key `optimizer.schedule.kind`: `7` is not known; allowed: constant, cosine");
}

TEST_F(ConfigTest, RefusesInvalidSizesAndDurations) {
  const auto of = [&](const std::string& entry) {
    return refusal("run: {name: x}\nmemory: {" + entry + "}");
  };
  EXPECT_EQ(of("bucket: 25 potatoes"),
            "a.yaml:2: key `memory.bucket`: `25 potatoes` is not a size in bytes; allowed: "
            "a size such as 25MiB at least 1MiB");
  EXPECT_EQ(
      of("bucket: 1KiB"),
      "a.yaml:2: key `memory.bucket`: `1KiB` is out of range; allowed: a size such as 25MiB at least 1MiB");
  EXPECT_EQ(of("bucket: auto"),
            "a.yaml:2: key `memory.bucket`: `auto` is not a size in bytes; allowed: a size such as 25MiB at "
            "least 1MiB");
  EXPECT_EQ(of("budget: most"),
            "a.yaml:2: key `memory.budget`: `most` is not a size in bytes; allowed: auto or a size "
            "such as 25MiB at least 1B");
  EXPECT_EQ(of("timeout: soon"),
            "a.yaml:2: key `memory.timeout`: `soon` is not a duration; allowed: a duration such "
            "as 300s above 0s");
  EXPECT_EQ(
      of("timeout: 0s"),
      "a.yaml:2: key `memory.timeout`: `0s` is out of range; allowed: a duration such as 300s above 0s");
}

TEST_F(ConfigTest, ReportsAllProblemsOfAFileInLineOrder) {
  EXPECT_EQ(
      refusal("run: {name: x, steps: 0}\noptimzer: {}\nmemory: {timeout: soon}\n"),
      "the configuration has 3 problems:\n"
      "  a.yaml:1: key `run.steps`: `0` is out of range; allowed: an integer at least 1 and at most 1000000\n"
      "  a.yaml:2: key `optimzer`: unknown; did you mean `optimizer`?\n"
      "  a.yaml:3: key `memory.timeout`: `soon` is not a duration; allowed: a duration such as 300s above "
      "0s");
}

TEST_F(ConfigTest, StopsListingAfterTenProblems) {
  std::string yaml = "run: {name: x}\n";
  for (char c = 'a'; c < 'a' + 13; ++c) yaml += std::string("unknown_") + c + ": 1\n";
  const std::string text = refusal(yaml);
  EXPECT_THAT(text, HasSubstr("has 13 problems:"));
  EXPECT_THAT(text, HasSubstr("`unknown_j`"));
  EXPECT_THAT(text, Not(HasSubstr("`unknown_k`")));
  EXPECT_THAT(text, HasSubstr("\n  and 3 more"));
}

TEST_F(ConfigTest, RefusesInvalidYamlAndOtherThanOneMapping) {
  EXPECT_THAT(refusal("run: {name: x\nmemory: 3\n"), HasSubstr("a.yaml:"));
  EXPECT_THAT(refusal("run: [\n"), HasSubstr("this is not valid YAML"));
  EXPECT_EQ(refusal("- a\n- b\n"),
            "a.yaml:1: is a list; allowed: a section with the keys run, optimizer, memory, checkpoint");
  EXPECT_EQ(
      refusal("hello\n"),
      "a.yaml:1: is a single value; allowed: a section with the keys run, optimizer, memory, checkpoint");
  EXPECT_EQ(refusal("run: {name: x}\n---\nrun: {name: y}\n"),
            "a.yaml:2:1: another YAML document (`---`) begins; allowed: one");
  EXPECT_THAT(refusal("? [a, b]\n: 1\nrun: {name: x}\n"),
              HasSubstr("a.yaml:1: a key has to be a plain name"));
  EXPECT_THAT(refusal("run: {name: !secret x}\n"), HasSubstr("key `run.name`: has the YAML tag !secret"));
}

TEST_F(ConfigTest, ShowsTheLineThatIsNoYaml) {
  EXPECT_EQ(refusal("run:\n\tname: x\nmemory: 3\n"),
            "a.yaml:2:1: this is not valid YAML: a tab in the indentation; use spaces\n   name: x\n  ^");
  const std::string text = refusal("run: {name: x]\n");
  EXPECT_THAT(text, HasSubstr("a.yaml:1:14: this is not valid YAML: "));
  EXPECT_THAT(text, HasSubstr("\n  run: {name: x]\n               ^"));
}

TEST_F(ConfigTest, NamesAMissingSpaceAfterAColon) {
  EXPECT_EQ(refusal("run: {name:x}\n"),
            "a.yaml:1: key `run.name`: a space is missing after the colon of `name:x`");
  EXPECT_THAT(refusal("run:\n  name:x\n"),
              HasSubstr("key `run`: is a single value (a key needs a space after its colon)"));
}

TEST_F(ConfigTest, SuggestsKeysAndUnitsOfOtherPrograms) {
  EXPECT_EQ(refusal("run: {name: x}\noptimizer: {learning_rate: 1}\n"),
            "a.yaml:2: key `optimizer.learning_rate`: unknown; did you mean `optimizer.lr`?");
  EXPECT_EQ(refusal("run: {name: x}\nlearning_rate: 1\n"),
            "a.yaml:2: key `learning_rate`: unknown; did you mean `optimizer.lr`?");
  EXPECT_THAT(refusal("run: {name: x}\nbatch_size: 1\n"), Not(HasSubstr("did you mean")))
      << "this program has no batch";
}

// yaml-cpp returns an endless sequence of empty documents for such a file.
TEST_F(ConfigTest, RefusesAFileOnWhichTheLibraryLoopsForever) {
  EXPECT_EQ(refusal(",run: {name: x}\n"),
            "a.yaml:1:1: this is not valid YAML: `,run: {name: x}` is not expected here");
  EXPECT_EQ(refusal("run: {name: x}\n", {"run.dir='a', b"}),
            "override `run.dir='a', b`:1:4: this is not valid YAML: `, b` is not expected here");
}

TEST_F(ConfigTest, RefusesAMissingFile) {
  Section root;
  try {
    load("absent.yaml", {}, root);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_STREQ(error.what(), "cannot open absent.yaml: No such file or directory");
  }
}

TEST(LoadText, NamesTheTextInItsMessages) {
  ExampleConfig config;
  Section root;
  config.describe(root);
  load_text("run: {name: vae}", "the saved configuration", {"run.steps=3"}, root);
  EXPECT_EQ(config.run.name, "vae");
  EXPECT_EQ(config.run.steps, 3);
  try {
    load_text("run: {nam: vae, name: x}", "the saved configuration", {}, root);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the saved configuration:1: key `run.nam`: unknown; did you mean `run.name`?");
  }
}

TEST(Description, RefusesAKeyDescribedTwice) {
  Section root;
  std::int64_t value = 0;
  root.integer("steps", value);
  EXPECT_THROW(root.integer("steps", value), Error);
  EXPECT_THROW(root.integer("a.b", value), Error);
}

TEST(Description, HandlesStayValidWhileOthersAreAdded) {
  Section root;
  std::vector<std::int64_t> values(200, 0);
  Field first = root.integer("first", values[0]);
  Section& child = root.child("child", "");
  for (std::size_t i = 1; i < values.size(); ++i) root.integer(fmt::format("k{}", i), values[i]);
  child.integer("below", values[0]);
  first.doc("The first of all.");
  EXPECT_THAT(explain(root, "first"), HasSubstr("The first of all."));
  const Section moved(std::move(root));
  EXPECT_THAT(explain(moved, "child.below"), HasSubstr("child.below"));
}

// Two values below one section that must fit together.
struct RangeConfig {
  std::int64_t least = 1, most = 10;
  void describe(Section& s) {
    s.integer("least", least);
    s.integer("most", most);
    s.rule({"least", "most"}, [this] {
      return least <= most ? std::string() : std::to_string(least) + " is above " + std::to_string(most);
    });
  }
};

class Rules : public ::testing::Test {
 protected:
  std::string refusal(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    RangeConfig range;
    Section root;
    root.section("range", range, "A range.");
    try {
      config::load_text(yaml, "rules.yaml", overrides, root);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(Rules, AreCheckedOnAllValuesTogether) {
  EXPECT_EQ(refusal("range: {least: 5}"), "");
  EXPECT_EQ(refusal("range:\n  most: 20\n  least: 15"), "");
  EXPECT_EQ(refusal("range:\n  least: 15\n  most: 12"),
            "rules.yaml:3: keys `range.least` and `range.most`: 15 is above 12");
}

TEST_F(Rules, NameTheValueGivenLast) {
  EXPECT_THAT(refusal("range:\n\n  least: 11"), HasSubstr("rules.yaml:3: "));
  EXPECT_THAT(refusal("range: {most: 3}", {"range.least=4"}), HasSubstr("override `range.least=4`: "));
}

TEST_F(Rules, AreCheckedOnlyIfEveryValueIsValid) {
  const std::string text = refusal("range: {least: 15, most: many}");
  EXPECT_THAT(text, HasSubstr("range.most"));
  EXPECT_EQ(text.find("above"), std::string::npos) << text;
}

}  // namespace
}  // namespace ebb::config
