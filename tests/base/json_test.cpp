// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gtest/gtest.h>

namespace ebb {
namespace {

using nlohmann::json;

TEST(Json, OnlyIntegersAreAccepted) {
  EXPECT_EQ(whole_number(json::parse("9223372036854775807")), INT64_MAX);
  EXPECT_EQ(whole_number(json::parse("-9223372036854775808")), INT64_MIN);
  for (const char* text : {"9223372036854775808", "1e300", "1.0", "true", "\"1\"", "null", "[1]"})
    EXPECT_THROW(whole_number(json::parse(text)), json::type_error) << text;
}

TEST(Json, ListsOfIntegers) {
  EXPECT_EQ(whole_numbers(json::parse("[1, 0, -3]")), (std::vector<std::int64_t>{1, 0, -3}));
  EXPECT_TRUE(whole_numbers(json::parse("[]")).empty());
  for (const char* text : {"[1, 2.5]", "{}", "3"})
    EXPECT_THROW(whole_numbers(json::parse(text)), json::type_error) << text;
}

}  // namespace
}  // namespace ebb
