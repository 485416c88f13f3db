// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace ebb::data {

// The expression of PCRE2 (UTF, UCP) that matches as the library tokenizers reads `expression`. The library
// has Oniguruma, in the syntax of Ruby. They agree on groups, lookahead, alternatives, greedy, lazy and
// possessive repetitions, sets of characters, ranges and classes, `\d`, `\p{…}` of a general category, and
// escaped characters. `\s`, `\S` and `\uHHHH` are rewritten; PCRE2 counts U+180E as a space. A group `(?i:…)`
// has letters of ASCII.
//
// Throws std::invalid_argument for anything else, with the part and its position: anchors and lookbehind too,
// since a long text is encoded in parts.
std::string pcre2_expression(std::string_view expression);

}  // namespace ebb::data
