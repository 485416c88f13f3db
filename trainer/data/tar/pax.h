// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "data/tar/header.h"

namespace ebb::data {

// What headers before a member's own one say about it.
struct TarExtension {
  std::optional<std::string> name;
  std::optional<std::int64_t> size;
};

// Takes path and size from the records of a pax header, "LENGTH KEY=VALUE\n" each, and ignores other keys. An
// empty value removes an earlier one. Error(data) for a malformed record, a size that is no number, a path
// with a zero byte, and the keys of sparse files.
void read_pax_records(std::string_view records, const TarPlace& place, TarExtension& out);

}  // namespace ebb::data
