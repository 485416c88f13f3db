// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace ebb::data {

std::int64_t read_label(const ArrayValues& labels, std::int64_t index) {
  const ArrayHeader& header = labels.array().header;
  std::array<std::byte, 8> bytes{};
  const auto stored = std::span(bytes).first(static_cast<std::size_t>(header.item_bytes));
  labels.read_at(index * header.item_bytes, stored);
  if (header.big_endian) std::ranges::reverse(stored);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < stored.size(); ++i)
    value |= std::to_integer<std::uint64_t>(stored[i]) << (8 * i);
  const auto unused = static_cast<unsigned>(64 - 8 * header.item_bytes);
  if (header.kind == 'i') return static_cast<std::int64_t>(value << unused) >> unused;  // with its sign
  if (value > std::uint64_t{INT64_MAX})
    throw Error(ExitCode::data,
                fmt::format("{}: number {} is {}, which is no label", labels.array().where, index, value));
  return static_cast<std::int64_t>(value);
}

}  // namespace ebb::data
