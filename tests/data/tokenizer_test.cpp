// SPDX-License-Identifier: Apache-2.0
#include "data/tokenizer.h"

#include <gmock/gmock.h>

#include "data/fixtures.h"

namespace ebb::data {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;

TEST(Tokenizer, OfBytesGivesAndTakesEachByte) {
  const auto bytes = make_tokenizer("bytes");
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  const auto tokens = bytes->encode(all);
  EXPECT_EQ(tokens[200], 200);
  EXPECT_EQ(bytes->decode(tokens), all);
  EXPECT_EQ(bytes->vocabulary(), 257);
  EXPECT_EQ(bytes->decode({{'a', *bytes->end_of_document(), 'b'}}), "ab");
  EXPECT_EQ(bytes->bytes(200), 1);
  EXPECT_EQ(bytes->bytes(*bytes->end_of_document()), 0);
}

TEST(Tokenizer, OfNumbersSpellsThemOut) {
  const auto none = make_tokenizer("none");
  EXPECT_THAT(none->encode(" 1 17\n4 "), ElementsAre(1, 17, 4));
  EXPECT_TRUE(none->encode("").empty());
  EXPECT_EQ(none->decode({{3, 50256}}), "3 50256 ");
  expect_error(ExitCode::usage, {"\"In\"", "data.tokenizer=none"}, [&] { (void)none->encode("In the"); });
  expect_error(ExitCode::usage, {"99999999999999999999"},
               [&] { (void)none->encode("1 99999999999999999999"); });
  expect_error(ExitCode::usage, {"\"-\""}, [&] { (void)none->encode("1 -"); });
}

}  // namespace
}  // namespace ebb::data
