// SPDX-License-Identifier: Apache-2.0
#include "memory/proc_text.h"

#include <algorithm>
#include <charconv>

namespace ebb::memory {

std::int64_t kilobytes_after(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return -1;
  text.remove_prefix(at + key.size());
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  std::int64_t value = -1;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return -1;
  return value * 1024;
}

}  // namespace ebb::memory
