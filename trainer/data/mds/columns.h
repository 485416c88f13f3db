// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/sample.h"
#include "data/mds/index.h"
#include "data/mds/reader.h"

namespace ebb::data {

// A column as a field of samples.
struct MdsFieldColumn {
  std::size_t column = 0;  // within MdsIndex::columns
  core::FieldSpec field;
  std::int64_t stored_bytes = 0;
  bool is_signed = false;
  bool channels_last = false;  // it is stored as H,W,C; `field` is C,H,W

  // Writes the column's value at `offset` of the shard into `out`, field.bytes() long. Integers that are
  // stored in fewer bytes are widened.
  void read(const MdsShard& shard, std::int64_t offset, std::span<std::byte> out) const;

 private:
  void read_channels_last(const MdsShard& shard, std::int64_t offset, std::span<std::byte> out) const;
};

// Whether the dimensions of an image are H,W,C.
bool has_channels_last(const std::vector<std::int64_t>& dims);
// Writes an image of H,W,C into `out` as C,H,W. Both have one length, a multiple of `channels`.
void split_channels(std::span<const std::byte> image, std::size_t channels, std::span<std::byte> out);

// The column of this name: image is an ndarray of uint8 with the shape C,H,W, H,W,C or H,W; label is an
// integer. Of three dimensions, the last one is the channels if it is at most 4 and both others are larger.
// Error(data) lists the existing columns, or names the encoding that does not fit this field.
MdsFieldColumn find_column(const MdsIndex& index, const std::string& field);

}  // namespace ebb::data
