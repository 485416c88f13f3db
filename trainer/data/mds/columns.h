// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/sample.h"
#include "data/channels.h"
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

// The column of this name: image is an ndarray of uint8 with the shape C,H,W, H,W,C or H,W, or encoded
// pictures, whose `field` is for the caller to set; label is an integer. The channels are last as
// has_channels_last() says. Error(data) lists the existing columns, or names the encoding that does not fit
// this field.
MdsFieldColumn find_column(const MdsIndex& index, const std::string& field);

}  // namespace ebb::data
