// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace ebb {
namespace {

using ::testing::Optional;

TEST(ParseBytes, AcceptsBinaryAndDecimalUnits) {
  EXPECT_THAT(parse_bytes("25MiB"), Optional(26214400));
  EXPECT_THAT(parse_bytes("4 GiB"), Optional(4294967296));
  EXPECT_THAT(parse_bytes("1.5KiB"), Optional(1536));
  EXPECT_THAT(parse_bytes("1000B"), Optional(1000));
  EXPECT_THAT(parse_bytes("12kB"), Optional(12000));
  EXPECT_THAT(parse_bytes("4096"), Optional(4096));
  EXPECT_THAT(parse_bytes(" 2TB "), Optional(2000000000000));
  EXPECT_THAT(parse_bytes("0"), Optional(0));
}

TEST(ParseBytes, KeepsEveryByteOfALargeInteger) {
  EXPECT_THAT(parse_bytes("9007199254740993"), Optional(9007199254740993));
  EXPECT_THAT(parse_bytes("9223372036854775807"), Optional(std::numeric_limits<std::int64_t>::max()));
}

TEST(ParseBytes, RefusesInvalidSizes) {
  for (const char* text : {"", "MiB", "-1", "+1", "25 potatoes", "25Mb", "25mib", "1.5", "0.5B", "nan", "inf",
                           ".5KiB", "1_000", "9223372036854775808", "9000000TiB", "9e30", "1 2"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

TEST(FormatBytes, ShowsOneDigitOfTheLargestUnit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(812), "812 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(26214400), "25.0 MiB");
  EXPECT_EQ(format_bytes(-1536), "-1.5 KiB");
  EXPECT_EQ(format_bytes(1048575), "1.0 MiB") << "never 1024.0 of a unit";
}

TEST(ExactBytes, IsReadBackExactly) {
  EXPECT_EQ(exact_bytes(26214400), "25MiB");
  EXPECT_EQ(exact_bytes(26214401), "26214401B");
  EXPECT_EQ(exact_bytes(0), "0B");
  for (const std::int64_t bytes : {std::int64_t{1}, std::int64_t{1536}, std::int64_t{1} << 41,
                                   std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_THAT(parse_bytes(exact_bytes(bytes)), Optional(bytes));
  }
}

TEST(ParseDuration, AcceptsUnitsAndBareSeconds) {
  EXPECT_THAT(parse_duration("300s"), Optional(300.0));
  EXPECT_THAT(parse_duration("5m"), Optional(300.0));
  EXPECT_THAT(parse_duration("1.5h"), Optional(5400.0));
  EXPECT_THAT(parse_duration("250ms"), Optional(0.25));
  EXPECT_THAT(parse_duration("2d"), Optional(172800.0));
  EXPECT_THAT(parse_duration("300"), Optional(300.0));
  EXPECT_THAT(parse_duration("1e-05s"), Optional(1e-05));
}

TEST(ParseDuration, RefusesInvalidDurations) {
  for (const char* text : {"", "s", "-5s", "5 weeks", "5min", "nan", "inf", "1e999s", "1e308d", "5s5"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(SuggestUnit, NamesTheUnitOfAnotherSpelling) {
  for (const auto& [text, meant] : std::vector<std::pair<std::string, std::string>>{{"25Mb", "25MiB"},
                                                                                    {"25 mb", "25MiB"},
                                                                                    {"1.5g", "1.5GiB"},
                                                                                    {"100 bytes", "100B"},
                                                                                    {"25MiX", ""},
                                                                                    {"Mb", ""}})
    EXPECT_EQ(suggest_bytes(text), meant) << text;
  for (const auto& [text, meant] : std::vector<std::pair<std::string, std::string>>{{"5min", "5m"},
                                                                                    {"5 Minutes", "5m"},
                                                                                    {"10sec", "10s"},
                                                                                    {"2 hrs", "2h"},
                                                                                    {"1day", "1d"},
                                                                                    {"5 parsec", ""},
                                                                                    {"", ""}})
    EXPECT_EQ(suggest_duration(text), meant) << text;
  for (const std::string unit : {"B", "KiB", "MiB", "GiB", "TiB"})
    EXPECT_TRUE(parse_bytes(suggest_bytes("3" + unit))) << unit;
}

TEST(FormatDuration, ShowsTwoUnitsOrOneDigit) {
  EXPECT_EQ(format_duration(93600), "1d 02h");
  EXPECT_EQ(format_duration(3725), "1h 02m");
  EXPECT_EQ(format_duration(65), "1m 05s");
  EXPECT_EQ(format_duration(12.3), "12.3s");
  EXPECT_EQ(format_duration(0.0042), "4.2ms");
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(-65), "-1m 05s");
  EXPECT_EQ(format_duration(59.97), "1m 00s") << "never 60.0s";
  EXPECT_EQ(format_duration(3599.6), "1h 00m") << "never 60m";
  EXPECT_EQ(format_duration(std::numeric_limits<double>::infinity()), "unknown");
}

TEST(NearestName, FindsTheIntendedName) {
  const std::vector<std::string> names{"optimizer", "model", "warmup_steps", "lr"};
  EXPECT_EQ(nearest_name("optimzer", names), "optimizer");
  EXPECT_EQ(nearest_name("Optimizer", names), "optimizer");
  EXPECT_EQ(nearest_name("mdoel", names), "model");
  EXPECT_EQ(nearest_name("warmup", names), "warmup_steps") << "the beginning of a name";
  EXPECT_EQ(nearest_name("rl", names), "lr");
}

TEST(NearestName, IsEmptyIfNoNameIsNear) {
  const std::vector<std::string> names{"optimizer", "lr"};
  EXPECT_EQ(nearest_name("telemetry", names), "");
  EXPECT_EQ(nearest_name("x", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name("lr", {}), "");
}

}  // namespace
}  // namespace ebb
