#pragma once
#include <cstddef>

#include "data/dataset.h"
#include "data/mds_index.h"

namespace ebb::data {

struct ImageColumn {
  std::size_t index = 0;  // within MdsIndex::columns
  core::FieldSpec field;
};

// The column "image" of a dataset. Error(data) names the columns that are there, or the encoding that cannot
// be read as an image.
ImageColumn find_image_column(const MdsIndex& index);

}  // namespace ebb::data
