// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace ebb {

// The offset of the first byte that is no part of printable UTF-8 (RFC 3629): a control character (C0, DEL or
// C1), an overlong form, a surrogate, or an incomplete character. std::string_view::npos: there is none.
std::size_t find_unprintable(std::string_view text);

// What is wrong with the first such byte: "has the byte 0x1b at offset 3, which is no printable UTF-8".
// Empty: there is none.
std::string unprintable_problem(std::string_view text);

// Joins the printable parts of `text`, each changed by `part`, and every other byte, changed by `byte`.
// Newlines and tabs stay.
std::string replace_unprintable(std::string_view text,
                                const std::function<std::string(std::string_view)>& part,
                                const std::function<std::string(unsigned char)>& byte);

// Text of others for a terminal: every such byte becomes \xNN, except for newlines and tabs.
std::string printable(std::string_view text);

}  // namespace ebb
