// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/sample.h"
#include "data/config.h"
#include "data/mds/index.h"
#include "data/mds/reader.h"
#include "data/pictures/picture.h"

namespace ebb::data {

// Whether a column is the image of samples and holds encoded pictures: jpeg (also with a quality) and png,
// which are whole files, and pil, which is little-endian u32 width, height, length of the mode; the mode; the
// pixels. Pictures in other columns are never decoded.
bool is_picture_column(const MdsColumn& column);

// Decodes the values of a column of pictures. The first value decides the size of samples unless the settings
// have one. Every error is Error(data) with the shard and the sample, or of MdsShard.
class MdsPictures {
 public:
  MdsPictures(const MdsIndex& index, std::size_t column, PictureConfig settings);  // `index` must outlive it

  // The image of a sample. `first` opens shard 0; it is called only if the settings have no size.
  [[nodiscard]] core::FieldSpec field(const std::function<const MdsShard&()>& first) const;
  // Writes the picture of a sample of the shard, as `field`, into `out`: [C, H, W].
  void read(const MdsShard& shard, std::int64_t sample, const core::FieldSpec& field,
            std::span<std::byte> out) const;
  // Decodes it without fitting it to the settings.
  [[nodiscard]] Picture decode(const MdsShard& shard, std::int64_t sample) const;

 private:
  [[nodiscard]] std::vector<std::byte> value(const MdsShard& shard, std::int64_t sample,
                                             const std::string& name) const;
  [[nodiscard]] Picture decode(const MdsShard& shard, std::int64_t sample, const std::string& name) const;

  const MdsIndex* index_;
  std::size_t column_;
  PictureConfig settings_;
  bool is_pil_;
};

}  // namespace ebb::data
