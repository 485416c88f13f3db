// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace ebb {
namespace {

using std::string_literals::operator""s;

TEST(Printable, TextOfAllLanguagesIsUnchanged) {
  for (const char* text : {"", "abc ~", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xc2\xa0",
                           "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(find_unprintable(text), std::string_view::npos) << text;
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ControlsAndBrokenBytesAreEscaped) {
  EXPECT_EQ(printable("a\nb\tc"), "a\nb\tc");
  EXPECT_EQ(find_unprintable("a\nb"), 1U);
  EXPECT_EQ(printable("\x1b[2J\r\x7f"), "\\x1b[2J\\x0d\\x7f");
  EXPECT_EQ(printable("a\0b"s), "a\\x00b");
  EXPECT_EQ(printable("d\xe9/x"), "d\\xe9/x");
  EXPECT_EQ(find_unprintable("ab\xe9"), 2U);
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b") << "C1: it begins an escape sequence";
  EXPECT_EQ(printable("\xc0\xaf\xe0\x80\xaf"), "\\xc0\\xaf\\xe0\\x80\\xaf") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "above U+10FFFF";
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82") << "cut";
  EXPECT_EQ(printable("\xe2\x82z"), "\\xe2\\x82z");
}

}  // namespace
}  // namespace ebb
