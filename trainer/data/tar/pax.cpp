// SPDX-License-Identifier: Apache-2.0
#include "data/tar/pax.h"

#include <fmt/format.h>

#include <charconv>

#include "base/printable.h"

namespace ebb::data {
namespace {

// All of `text` in decimal digits.
template <class Number>
std::optional<Number> decimal(std::string_view text) {
  Number value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || text.front() == '-') return std::nullopt;
  return value;
}

}  // namespace

void read_pax_records(std::string_view records, const TarPlace& place, TarExtension& out) {
  const std::size_t all = records.size();
  while (!records.empty()) {
    const std::size_t space = records.find(' ');
    const auto bytes = space == std::string_view::npos || space == 0
                           ? std::nullopt
                           : decimal<std::size_t>(records.substr(0, space));
    const std::size_t equals = records.find('=');
    if (!bytes || *bytes > records.size() || *bytes < space + 4 || records[*bytes - 1] != '\n' ||
        equals >= *bytes)
      refuse_tar_header(place, fmt::format("of pax has a malformed record at byte {} of its contents",
                                           all - records.size()));
    const std::string_view key = records.substr(space + 1, equals - space - 1);
    const std::string_view value = records.substr(equals + 1, *bytes - equals - 2);
    if (key.starts_with("GNU.sparse."))
      refuse_tar_header(place,
                        "belongs to a sparse file, which is not read: write it without `tar --sparse`");
    if (key == "path") {
      if (value.find('\0') != std::string_view::npos)
        refuse_tar_header(place, "of pax gives a path with a zero byte");
      out.name = value.empty() ? std::nullopt : std::optional<std::string>(value);
    } else if (key == "size") {
      out.size = value.empty() ? std::nullopt : decimal<std::int64_t>(value);
      if (!value.empty() && !out.size)
        refuse_tar_header(place, fmt::format("of pax gives the size '{}', which is no number of bytes",
                                             printable(value.substr(0, 32))));
    }
    records.remove_prefix(*bytes);
  }
}

}  // namespace ebb::data
