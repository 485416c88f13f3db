// SPDX-License-Identifier: Apache-2.0
#include "data/mds/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/error.h"
#include "data/mds/encodings.h"
#include "data/mds/picture_column.h"

namespace ebb::data {

static_assert(std::endian::native == std::endian::little, "values are read in the byte order of the shard");

namespace {

// Integers that fit into int64.
constexpr std::array<std::string_view, 8> kIntegers = {"int",  "int64", "int32",  "int16",
                                                       "int8", "uint8", "uint16", "uint32"};

[[noreturn]] void refuse(const MdsIndex& index, const MdsColumn& column, std::string_view needed) {
  throw Error(ExitCode::data, fmt::format("{}: the column '{}' has the encoding {}, but needs {}",
                                          index.folder.string(), column.name, column.encoding, needed));
}

void set_image(const MdsIndex& index, const MdsColumn& source, MdsFieldColumn& column) {
  const auto array = parse_array_encoding(source.encoding);
  if (!array || array->dtype != "uint8" || (array->dims.size() != 2 && array->dims.size() != 3))
    refuse(index, source,
           "ndarray:uint8:C,H,W, which `ebb data pack` writes, ndarray:uint8:H,W,C, jpeg, png or pil");
  const auto& dims = array->dims;
  column.channels_last = has_channels_last(dims);
  column.field = dims.size() == 2       ? core::image_field(1, dims[0], dims[1])
                 : column.channels_last ? core::image_field(dims[2], dims[0], dims[1])
                                        : core::image_field(dims[0], dims[1], dims[2]);
}

core::FieldSpec label_of(const MdsIndex& index, const MdsColumn& column) {
  if (std::ranges::find(kIntegers, column.encoding) == kIntegers.end())
    refuse(index, column, "an integer such as int, which `ebb data pack --labels` writes,");
  return core::label_field();
}

}  // namespace

void MdsFieldColumn::read(const MdsShard& shard, std::int64_t offset, std::span<std::byte> out) const {
  const auto stored = static_cast<std::size_t>(stored_bytes);
  if (channels_last) return read_channels_last(shard, offset, out);
  shard.read_at(offset, out.first(stored));
  const bool negative = is_signed && (out[stored - 1] & std::byte{0x80}) != std::byte{0};
  std::ranges::fill(out.subspan(stored), negative ? std::byte{0xff} : std::byte{0});
}

void MdsFieldColumn::read_channels_last(const MdsShard& shard, std::int64_t offset,
                                        std::span<std::byte> out) const {
  std::vector<std::byte> stored(out.size());
  shard.read_at(offset, stored);
  split_channels(stored, static_cast<std::size_t>(field.dims[0]), out);
}

MdsFieldColumn find_column(const MdsIndex& index, const std::string& field) {
  const auto found = std::ranges::find(index.columns, field, &MdsColumn::name);
  if (found == index.columns.end()) {
    std::string names;
    for (const MdsColumn& column : index.columns) names += (names.empty() ? "" : ", ") + column.name;
    throw Error(ExitCode::data,
                fmt::format("{} has no column '{}', which the model reads; its columns are {}: pack the "
                            "split with that column",
                            index.folder.string(), field, names));
  }
  if (!is_known_encoding(found->encoding))  // names the fault
    (void)fixed_bytes(found->name, found->encoding, index.folder.string());
  MdsFieldColumn column;
  column.column = static_cast<std::size_t>(found - index.columns.begin());
  if (is_picture_column(*found)) return column;
  if (field == core::kImageField) {
    set_image(index, *found, column);
  } else if (field == core::kLabelField) {
    column.field = label_of(index, *found);
  } else {
    throw Error(ExitCode::internal, fmt::format("MDS columns are not read as the field {}", field));
  }
  column.stored_bytes = *found->bytes;
  column.is_signed = found->encoding.starts_with("int");
  return column;
}

}  // namespace ebb::data
