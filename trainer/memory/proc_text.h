// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string_view>

namespace ebb::memory {

// The value of `key` in a text of /proc such as "VmRSS:\t  123456 kB", in bytes; -1 if it has none. `key`
// ends with its colon.
std::int64_t kilobytes_after(std::string_view text, std::string_view key);

}  // namespace ebb::memory
