#include "data/mds_image.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ebb::data {

ImageColumn find_image_column(const MdsIndex& index) {
  std::string names;
  for (std::size_t i = 0; i < index.columns.size(); ++i) {
    const MdsColumn& column = index.columns[i];
    names += (names.empty() ? "" : ", ") + column.name;
    if (column.name != "image") continue;
    const auto array = parse_array_encoding(column.encoding);
    if (!array || array->dtype != "uint8" || (array->dims.size() != 2 && array->dims.size() != 3)) {
      throw Error(ExitCode::data,
                  fmt::format("{}: the column 'image' has the encoding {}; what can be trained on here is "
                              "ndarray:uint8:C,H,W, which `ebb data pack` writes",
                              index.folder.string(), column.encoding));
    }
    const bool grey = array->dims.size() == 2;
    const auto dim = [&](std::size_t d) { return array->dims[d]; };
    return {i, grey ? core::image_field(1, dim(0), dim(1)) : core::image_field(dim(0), dim(1), dim(2))};
  }
  throw Error(ExitCode::data,
              fmt::format("{} has no column 'image'; its columns are {}", index.folder.string(), names));
}

}  // namespace ebb::data
