// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace ebb {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

template <class Json = nlohmann::json>
std::string reason(std::string_view text) {
  try {
    (void)parse_json<Json>(text);
  } catch (const JsonError& error) {
    return error.what();
  }
  return "accepted";
}

std::string nested(std::size_t levels) {
  return std::string(levels, '[') + std::string(levels, ']');
}

TEST(Json, IsReadAsItIs) {
  const auto json = parse_json(R"({"a": [1, 2.5, "é", null, true], "b": {"a": -1}})");
  EXPECT_EQ(json.at("a").at(1), 2.5);
  EXPECT_EQ(json.at("a").at(2), "é");
  EXPECT_EQ(json.at("b").at("a"), -1);
  EXPECT_EQ(parse_json<nlohmann::ordered_json>(R"({"z": 1, "a": 2})").begin().key(), "z");
}

TEST(Json, DeepNestingIsRefused) {
  EXPECT_EQ(reason(nested(kDeepestJson)), "accepted");
  EXPECT_EQ(reason(nested(kDeepestJson + 1)), "it is nested deeper than 64 levels");
  EXPECT_EQ(reason(nested(130'000)), "it is nested deeper than 64 levels");
  std::string objects;
  for (int i = 0; i < 70; ++i) objects += "{\"a\":";
  EXPECT_EQ(reason(objects), "it is nested deeper than 64 levels");
}

TEST(Json, EqualKeysOfOneObjectAreRefused) {
  EXPECT_EQ(reason(R"({"a": {"b": 1}, "b": {"a": 1}})"), "accepted");
  EXPECT_EQ(reason(R"([{"a": 1}, {"a": 1}])"), "accepted");
  EXPECT_EQ(reason(R"({"x": {"a\n": 1, "b": 2, "a\n": 3}})"), R"(the key "a\n" occurs twice in an object)");
  EXPECT_EQ(reason<nlohmann::ordered_json>(R"({"a": 1, "a": 1})"),
            R"(the key "a" occurs twice in an object)");
}

TEST(Json, WhatIsNoJsonIsRefusedWithTheLine) {
  EXPECT_THAT(reason("{\n\"a\": }"), StartsWith("parse error at line 2, column 6: "));
  EXPECT_THAT(reason(""), HasSubstr("unexpected end of input"));
  EXPECT_THAT(reason("\"\xe9\""), HasSubstr("ill-formed UTF-8"));
  EXPECT_THAT(reason("{} {}"), HasSubstr("expected end of input"));
}

TEST(Json, AZeroByteDoesNotEndTheText) {
  EXPECT_EQ(reason({"{}\0", 3}), "byte 2 is zero");
  EXPECT_EQ(reason({"{}\0]]", 5}), "byte 2 is zero");
  EXPECT_EQ(reason({"{\"a\0\": 1}", 9}), "byte 3 is zero");
}

TEST(Json, AHugeTextIsRefusedBeforeItIsRead) {
  EXPECT_EQ(reason(std::string(kLargestJson + 1, ' ')), "it has 256.0 MiB, more than 256.0 MiB");
}

// 600 KB took 40 s while each value cost time that grew with those before it. Now it takes milliseconds.
TEST(Json, ALongListTakesTimeThatGrowsWithItsLength) {
  std::string list = "[{}";
  for (int i = 0; i < 200000; ++i) list += ",{}";
  list += "]";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_json(list).size(), 200001U);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(Json, TooManyValuesAreRefused) {
  std::string list = "[0";
  for (std::size_t i = 0; i < kMostJsonValues; ++i) list += ",0";
  EXPECT_THAT(reason(list + "]"), HasSubstr("more than 16777216 values"));
}

TEST(Json, NumbersOutOfTheirRangeAreRefused) {
  EXPECT_EQ(whole_number(parse_json("7"), 0, 7), 7);
  for (const char* text : {"-1", "8", "9223372036854775807"})
    EXPECT_THROW((void)whole_number(parse_json(text), 0, 7), nlohmann::json::exception) << text;
}

TEST(Json, InPlaceOfAnErrorAValueIsDiscarded) {
  EXPECT_TRUE(parse_json_or_discard("{").is_discarded());
  EXPECT_FALSE(parse_json_or_discard("{").is_object());
  EXPECT_TRUE(parse_json_or_discard("{}").is_object());
}

TEST(Json, OnlyIntegersAreAccepted) {
  EXPECT_EQ(whole_number(nlohmann::json::parse("9223372036854775807")), INT64_MAX);
  EXPECT_EQ(whole_number(nlohmann::json::parse("-9223372036854775808")), INT64_MIN);
  for (const char* text : {"9223372036854775808", "1e300", "1.0", "true", "\"1\"", "null", "[1]"})
    EXPECT_THROW(whole_number(nlohmann::json::parse(text)), nlohmann::json::type_error) << text;
}

TEST(Json, WhetherAValueIsAnIntegerOfARange) {
  for (const char* text : {"-3", "0", "7"})
    EXPECT_TRUE(is_whole_number(nlohmann::json::parse(text), -3, 7)) << text;
  for (const char* text : {"-4", "8", "18446744073709551615", "1.0", "\"1\"", "null"})
    EXPECT_FALSE(is_whole_number(nlohmann::json::parse(text), -3, 7)) << text;
  EXPECT_FALSE(is_whole_number(nlohmann::json::parse("9223372036854775808")));
}

TEST(Json, ListsOfIntegers) {
  EXPECT_EQ(whole_numbers(nlohmann::json::parse("[1, 0, -3]")), (std::vector<std::int64_t>{1, 0, -3}));
  EXPECT_TRUE(whole_numbers(nlohmann::json::parse("[]")).empty());
  for (const char* text : {"[1, 2.5]", "{}", "3"})
    EXPECT_THROW(whole_numbers(nlohmann::json::parse(text)), nlohmann::json::type_error) << text;
}

}  // namespace
}  // namespace ebb
