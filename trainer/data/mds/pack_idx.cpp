// SPDX-License-Identifier: Apache-2.0
#include "data/mds/pack_idx.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "data/channels.h"
#include "data/idx.h"
#include "data/mds/writer.h"

namespace ebb::data {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr std::int64_t kIdxProgress = 1000;

json recipe(const PackOptions& options) {
  json all = {{"version", 1},
              {"images", fingerprint(options.images)},
              {"labels", options.labels.empty() ? json() : fingerprint(options.labels)},
              {"shard_bytes", options.shard_bytes},
              {"compression", options.compression}};
  if (options.pad > 0) all["pad"] = options.pad;
  return all;
}

// The shape of the images of a file, and that of their padded form.
struct ImageShape {
  std::size_t channels, height, width;
  std::size_t padded_height, padded_width;
  bool channels_last;  // in the file
};

ImageShape image_shape(const IdxReader& images, const PackOptions& options) {
  const fs::path& path = options.images;
  const auto& dims = images.dims();
  if (dims.size() != 3 && dims.size() != 4) {
    throw Error(ExitCode::data,
                fmt::format("{} has {} dimensions; images have 3 (count, height, width) or 4 (count, "
                            "channels, height, width)",
                            path.string(), dims.size()));
  }
  const bool grey = dims.size() == 3;
  const auto size = [&](std::size_t i) { return static_cast<std::size_t>(dims[i]); };
  ImageShape shape{grey ? 1 : size(1), size(dims.size() - 2), size(dims.size() - 1), 0, 0, false};
  if (has_channels_last({dims.begin() + 1, dims.end()})) shape = {size(3), size(1), size(2), 0, 0, true};
  const auto pad = static_cast<std::size_t>(options.pad);
  if (pad > 0 && pad < std::max(shape.height, shape.width))
    throw Error(ExitCode::usage,
                fmt::format("data pack: --pad {} is less than the sides of the images of {}, {} x {}", pad,
                            path.string(), shape.height, shape.width));
  shape.padded_height = pad > 0 ? pad : shape.height;
  shape.padded_width = pad > 0 ? pad : shape.width;
  return shape;
}

MdsColumn image_column(const ImageShape& shape) {
  return {"image",
          fmt::format("ndarray:uint8:{},{},{}", shape.channels, shape.padded_height, shape.padded_width),
          {}};
}

// Copies an image into the middle of `padded`, whose border stays as it is.
void pad_image(const ImageShape& s, const std::vector<std::byte>& image, std::vector<std::byte>& padded) {
  const std::size_t top = (s.padded_height - s.height) / 2, left = (s.padded_width - s.width) / 2;
  for (std::size_t row = 0; row < s.channels * s.height; ++row) {
    const std::size_t channel = row / s.height, y = row % s.height;
    std::copy_n(image.data() + row * s.width, s.width,
                padded.data() + (channel * s.padded_height + top + y) * s.padded_width + left);
  }
}

void write_samples(MdsWriter& writer, const ImageShape& shape, IdxReader& images, IdxReader* labels,
                   const Progress& progress) {
  std::vector<std::byte> image(static_cast<std::size_t>(images.item_bytes()));
  std::vector<std::byte> channels_first(shape.channels_last ? image.size() : 0);
  std::byte label{};
  std::array<std::byte, 8> wide{};  // int is a little-endian i64
  std::vector<std::byte> padded(shape.channels * shape.padded_height * shape.padded_width);
  const std::array<std::span<const std::byte>, 2> values = {std::span<const std::byte>(padded), wide};
  const std::size_t columns = labels != nullptr ? 2 : 1;
  for (std::int64_t i = 0; i < images.items(); ++i) {
    if (progress && i % kIdxProgress == 0) progress(i, images.items());
    images.read(image);
    if (shape.channels_last) {
      split_channels(image, shape.channels, channels_first);
      image.swap(channels_first);
    }
    pad_image(shape, image, padded);
    if (labels != nullptr) {
      labels->read({&label, 1});
      wide[0] = label;
    }
    writer.write(std::span(values).first(columns));
  }
  images.finish();
  if (labels != nullptr) labels->finish();
  writer.finish();
  if (progress) progress(images.items(), images.items());
}

}  // namespace

PackResult pack_idx(const PackOptions& given, const Progress& progress) {
  PackOptions options = given;
  options.out = pack_folder(given.out);
  IdxReader images(options.images);
  const ImageShape shape = image_shape(images, options);
  json wanted = recipe(options);
  if (shape.channels_last) wanted["axes"] = "H,W,C";
  if (const auto existing = find_packed_split(options.out, wanted)) return *existing;

  std::optional<IdxReader> labels;
  std::vector<MdsColumn> columns = {image_column(shape)};
  if (!options.labels.empty()) {
    labels.emplace(options.labels);
    if (labels->dims().size() != 1 || labels->items() != images.items()) {
      throw Error(
          ExitCode::data,
          fmt::format(
              "{} has {} dimensions and {} items; labels for the {} images of {} have one dimension and "
              "as many items",
              options.labels.string(), labels->dims().size(), labels->items(), images.items(),
              options.images.string()));
    }
    columns.push_back({"label", "int", {}});
  }

  return pack_split(options.out, wanted, columns, {options.shard_bytes, options.compression},
                    [&](MdsWriter& writer) {
                      write_samples(writer, shape, images, labels ? &*labels : nullptr, progress);
                    });
}

}  // namespace ebb::data
