// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <regex.h>

#include <nlohmann/json.hpp>

#include "config/example_config.h"

namespace ebb::config {
namespace {

using Json = nlohmann::ordered_json;

// Avoids std::regex: GCC 12 warns about its code under the sanitizers.
bool matches_pattern(const std::string& pattern, const char* text) {
  regex_t compiled;
  if (::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0) {
    ADD_FAILURE() << "not a pattern: " << pattern;
    return false;
  }
  const bool matches = ::regexec(&compiled, text, 0, nullptr, 0) == 0;
  ::regfree(&compiled);
  return matches;
}

class SchemaTest : public ::testing::Test {
 protected:
  SchemaTest() {
    config_.describe(root_);
    schema_ = Json::parse(json_schema(root_));
  }
  [[nodiscard]] const Json& field(const std::string& section, const std::string& key) const {
    return schema_.at("properties").at(section).at("properties").at(key);
  }

  ExampleConfig config_;
  Section root_;
  Json schema_;
};

TEST_F(SchemaTest, NamesItsDraftAndRefusesOtherKeysEverywhere) {
  EXPECT_EQ(schema_.at("$schema"), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema_.at("type"), "object");
  EXPECT_EQ(schema_.at("additionalProperties"), false);
  EXPECT_EQ(schema_.at("properties").at("run").at("additionalProperties"), false);
  EXPECT_EQ(field("optimizer", "schedule").at("additionalProperties"), false);
}

TEST_F(SchemaTest, KeepsTheOrderDescribed) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : schema_.at("properties").at("run").at("properties").items())
    keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"name", "dir", "steps", "shuffle"}));
}

TEST_F(SchemaTest, HasTypesDefaultsBoundsAndDescriptions) {
  EXPECT_EQ(field("run", "steps"),
            (Json{{"type", "integer"}, {"minimum", 1}, {"maximum", 1000000}, {"default", 2000}}));
  EXPECT_EQ(field("optimizer", "lr"), (Json{{"description", "Peak learning rate."},
                                            {"type", "number"},
                                            {"exclusiveMinimum", 0},
                                            {"default", 0.001}}));
  EXPECT_EQ(field("optimizer", "weight_decay"),
            (Json{{"type", "number"}, {"minimum", 0}, {"exclusiveMaximum", 1}, {"default", 0.1}}));
  EXPECT_EQ(field("run", "shuffle"), (Json{{"type", "boolean"}, {"default", true}}));
  EXPECT_EQ(field("run", "dir"), (Json{{"type", "string"}, {"default", "runs"}}));
  EXPECT_EQ(field("checkpoint", "allow"),
            (Json{{"type", "array"}, {"items", {{"type", "string"}}}, {"default", Json::array()}}));
  const Json& schedule = field("optimizer", "schedule").at("properties");
  EXPECT_EQ(schedule.at("kind"),
            (Json{{"description", "Its shape."}, {"enum", {"constant", "cosine"}}, {"default", "cosine"}}));
  EXPECT_EQ(schedule.at("warmup_steps").at("description"), "Steps until the peak rate. Unit: steps.");
  EXPECT_EQ(field("optimizer", "schedule").at("description"), "How the learning rate changes.");
}

TEST_F(SchemaTest, RequiresRequiredKeysAndTheirSections) {
  EXPECT_EQ(schema_.at("required"), Json::array({"run"}));
  EXPECT_EQ(schema_.at("properties").at("run").at("required"), Json::array({"name"}));
  EXPECT_FALSE(field("run", "name").contains("default"));
  EXPECT_FALSE(schema_.at("properties").at("memory").contains("required"));
}

TEST_F(SchemaTest, PatternsAcceptWhatTheReaderAccepts) {
  const auto matches = [&](const std::string& key, const char* text) {
    return matches_pattern(field("memory", key).at("pattern").get<std::string>(), text);
  };
  for (const char* text : {"25MiB", "4 GiB", "1.5KiB", "1000B", "12kB", "4096"})
    EXPECT_TRUE(matches("bucket", text));
  for (const char* text : {"auto", "25mib", "-1", "x25MiB", "25MiBx"})
    EXPECT_FALSE(matches("bucket", text)) << text;
  EXPECT_TRUE(matches("budget", "auto"));
  EXPECT_TRUE(matches("budget", "24GiB"));
  EXPECT_FALSE(matches("budget", "automatic"));
  EXPECT_TRUE(matches("micro_batch", "auto"));
  for (const char* text : {"300s", "5m", "250ms", "1.5h", "1e-05s"}) EXPECT_TRUE(matches("timeout", text));
  EXPECT_FALSE(matches("timeout", "5min"));
  EXPECT_EQ(field("memory", "bucket").at("default"), "25MiB");
  EXPECT_EQ(field("memory", "bucket").at("description"), "Size of a gradient bucket. Unit: bytes.");
  EXPECT_EQ(field("memory", "budget").at("default"), "auto");
  EXPECT_EQ(field("memory", "timeout").at("default"), "300s");
}

}  // namespace
}  // namespace ebb::config
