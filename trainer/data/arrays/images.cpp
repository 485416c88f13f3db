// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/images.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ebb::data {
namespace {

[[noreturn]] void refuse_array(const StoredArray& array, const std::string& what) {
  throw Error(ExitCode::data, fmt::format("{}: {}", array.where, what));
}

bool is_channel_count(std::int64_t n) {
  return n == 1 || n == 3 || n == 4;
}

void require_row_order(const StoredArray& array) {
  const ArrayHeader& header = array.header;
  const auto wide = std::ranges::count_if(header.shape, [](std::int64_t n) { return n != 1; });
  if (header.column_major && wide > 1)
    refuse_array(
        array,
        fmt::format("its values of shape {} are in Fortran's order, in which a sample does not lie in one "
                    "piece: save np.ascontiguousarray(x)",
                    header.extents()));
}

ArrayImages reading(const std::vector<std::int64_t>& shape, bool channels_last) {
  if (channels_last) return {shape[0], shape[3], shape[1], shape[2], true, "N,H,W,C"};
  return {shape[0], shape[1], shape[2], shape[3], false, "N,C,H,W"};
}

std::string reading_text(const ArrayImages& images) {
  return fmt::format("{} channel{} of {} x {} pixels (height x width)", images.channels,
                     images.channels == 1 ? "" : "s", images.height, images.width);
}

}  // namespace

ArrayImages read_as_images(const StoredArray& array, ArrayLayout layout) {
  const ArrayHeader& header = array.header;
  const auto& shape = header.shape;
  if (header.kind == 'f')
    refuse_array(array,
                 fmt::format("its values are {}, and images are read as uint8 from 0 to 255: for values "
                             "from 0 to 1 save np.round(255 * x).astype(np.uint8)",
                             header.type()));
  if (header.kind != 'b' && (header.kind != 'u' || header.item_bytes != 1))
    refuse_array(array, fmt::format("its values are {}, and images are read as uint8 from 0 to 255: save "
                                    "x.astype(np.uint8), if they are in that range",
                                    header.type()));
  if (shape.size() != 3 && shape.size() != 4)
    refuse_array(array,
                 fmt::format("its shape is {}, and images have (samples, height, width), (samples, channels, "
                             "height, width) or (samples, height, width, channels): save x.reshape(...)",
                             header.extents()));
  if (std::ranges::any_of(shape, [](std::int64_t n) { return n == 0; }))
    refuse_array(array, fmt::format("its shape is {}: it has no images", header.extents()));
  require_row_order(array);
  if (shape.size() == 3) return {shape[0], 1, shape[1], shape[2]};
  const bool first = is_channel_count(shape[1]), last = is_channel_count(shape[3]);
  if (layout == ArrayLayout::automatic && first && last)
    refuse_array(array,
                 fmt::format("its shape {} is either {} (NCHW) or {} (NHWC): set data.layout to NCHW or "
                             "NHWC (in `ebb data pack`: --layout)",
                             header.extents(), reading_text(reading(shape, false)),
                             reading_text(reading(shape, true))));
  const bool channels_last = layout == ArrayLayout::automatic ? last : layout == ArrayLayout::channels_last;
  if (!(channels_last ? last : first))
    refuse_array(array,
                 fmt::format("its shape is {}, and images have 1, 3 or 4 channels, in axis 1 (NCHW) or in "
                             "axis 3 (NHWC){}",
                             header.extents(),
                             layout == ArrayLayout::automatic
                                 ? ""
                                 : fmt::format("; data.layout is {}", channels_last ? "NHWC" : "NCHW")));
  return reading(shape, channels_last);
}

void require_labels(const StoredArray& array, std::int64_t samples) {
  const ArrayHeader& header = array.header;
  const auto& shape = header.shape;
  if (!header.is_integer())
    refuse_array(array, fmt::format("its values are {}, and labels are integers: save y.astype(np.int64)",
                                    header.type()));
  if (shape.size() == 2 && shape[1] != 1)
    refuse_array(array,
                 fmt::format("its shape is {}, and labels have ({},), one number for each image: of one-hot "
                             "labels save y.argmax(axis=1)",
                             header.extents(), samples));
  if (shape.empty() || shape.size() > 2 || shape[0] != samples)
    refuse_array(array, fmt::format("its shape is {}, and labels have ({},), one number for each image",
                                    header.extents(), samples));
}

}  // namespace ebb::data
