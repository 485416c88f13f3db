// SPDX-License-Identifier: Apache-2.0
#include "data/mds/format.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"
#include "data/config.h"
#include "data/mds/dataset.h"
#include "data/mds/inspect.h"
#include "data/mds/pack_idx.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

std::string pack_images(const PackRequest& request, const Progress& progress) {
  if (request.test_share > 0)
    throw Error(ExitCode::usage,
                "data pack: --test-share is for text, with --tokenizer; images have a test split of "
                "their own");
  if (request.inputs.size() != 1)
    throw Error(
        ExitCode::usage,
        fmt::format(
            "data pack: {} image files were given, but only one can be packed at a time. For text add "
            "--tokenizer bytes",
            request.inputs.size()));
  const auto bytes = parse_bytes(request.shard_size);
  if (!bytes || *bytes < 1) {
    throw Error(
        ExitCode::usage,
        fmt::format(
            "data pack: --shard-size {} is not a size: give a number of bytes with a unit, such as 8MiB",
            request.shard_size));
  }
  PackOptions options;
  options.images = request.inputs.front();
  options.labels = request.labels;
  options.out = request.out;
  options.shard_bytes = *bytes;
  options.compression = request.compression;
  options.pad = request.pad;
  const PackResult result = pack_idx(options, progress);
  return fmt::format("{}packed: {} samples in {} shard{}, {}, in {}", result.already_there ? "already " : "",
                     result.samples, result.shards, result.shards == 1 ? "" : "s", format_bytes(result.bytes),
                     options.out.string());
}

Packer image_packer() {
  Packer packer;
  packer.output = "MDS shards of an IDX dataset (the MNIST family)";
  packer.input = "an IDX file of images, plain or .gz";
  packer.unit = "samples";
  packer.pack = pack_images;
  return packer;
}

}  // namespace

Format mds_format() {
  Format format;
  format.name = "mds";
  format.doc = "images in MDS shards";
  format.fields = {std::string(core::kImageField), std::string(core::kLabelField)};
  format.texts.source = "one subfolder per split, train and test";
  format.texts.path = "a folder with an index.json";
  format.sample_noun = [](const DataConfig&) { return std::string("samples"); };
  format.open = [](const DataConfig& config, const SplitRequest& request) {
    return open_mds(fs::path(config.source) / request.split,
                    {request.fields, config.cache.ram, request.allocate, request.classes});
  };
  format.recognizes = [](const fs::path& path) {
    std::error_code ignored;
    return !fs::is_regular_file(path, ignored);
  };
  format.inspect = inspect_mds;
  format.verify = verify_mds;
  format.packer = image_packer();
  return format;
}

}  // namespace ebb::data
