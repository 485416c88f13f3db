// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace ebb {

// The offset of the first byte that is no part of printable UTF-8 (RFC 3629): a control character (C0, DEL or
// C1), an overlong form, a surrogate, or an incomplete character. std::string_view::npos: there is none.
std::size_t find_unprintable(std::string_view text);

// Text of others for a terminal: every such byte becomes \xNN, except for newlines and tabs.
std::string printable(std::string_view text);

}  // namespace ebb
