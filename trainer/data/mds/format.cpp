// SPDX-License-Identifier: Apache-2.0
#include "data/mds/format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "config/document.h"
#include "data/config.h"
#include "data/mds/dataset.h"
#include "data/mds/inspect.h"
#include "data/mds/pack_dataset.h"
#include "data/mds/pack_idx.h"
#include "data/pictures/keys.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

std::int64_t shard_bytes_of(const PackRequest& request) {
  const auto bytes = parse_bytes(request.shard_size);
  if (bytes && *bytes >= 1) return *bytes;
  throw Error(
      ExitCode::usage,
      fmt::format(
          "data pack: --shard-size {} is not a size: give a number of bytes with a unit, such as 8MiB",
          request.shard_size));
}

// What formats with Format::splits recognize.
std::string packable_paths(const Formats& formats) {
  std::string paths;
  for (const Format& format : formats)
    if (format.splits) paths += (paths.empty() ? "" : ", or ") + format.texts.path;
  return paths;
}

std::string packed_text(const PackResult& result, const std::string& samples, const fs::path& folder) {
  return fmt::format("{}packed: {} {} in {} shard{}, {}, in {}", result.already_there ? "already " : "",
                     result.samples, samples, result.shards, result.shards == 1 ? "" : "s",
                     format_bytes(result.bytes), folder.string());
}

// The configuration that reads the input as the options say. Its keys check them.
DataConfig source_of(const Format& format, const PackRequest& request, const Formats& formats) {
  DataConfig config(formats);
  std::vector<std::string> keys = {"data.source=input", "data.format=" + format.name};
  if (request.size > 0) keys.push_back(fmt::format("data.size={}", request.size));
  if (request.crop) keys.emplace_back("data.crop=center");
  if (request.channels > 0) keys.push_back(fmt::format("data.channels={}", request.channels));
  if (!request.layout.empty()) keys.push_back("data.layout=" + request.layout);
  if (request.test_share > 0) keys.push_back(fmt::format("data.test_share={}", request.test_share));
  config::Section root;
  root.section("data", config, "");
  config::load_text("", "the options of data pack", keys, root);
  config.source = request.inputs.front().string();  // not as a value, which may refer to the environment
  return config;
}

std::string pack_source(const Format& format, const PackRequest& request, const Formats& formats,
                        const Progress& progress) {
  if (!request.labels.empty() || request.pad > 0)
    throw Error(ExitCode::usage, fmt::format("data pack: {} is for IDX files, and {} is {}",
                                             request.pad > 0 ? "--pad" : "--labels",
                                             request.inputs.front().string(), format.texts.path));
  const auto packed = pack_dataset(source_of(format, request, formats), request.out,
                                   {shard_bytes_of(request), request.compression}, progress);
  std::string text;
  for (const PackedSplit& split : packed) {
    std::string samples = "samples";
    if (const auto* image = split.spec.find(core::kImageField))
      samples += fmt::format(" of {}", fmt::join(image->dims, "x"));
    samples += split.spec.find(core::kLabelField) != nullptr ? " with labels" : " without labels";
    text += (text.empty() ? "" : "\n") + packed_text(split.result, samples, split.folder);
  }
  if (packed.size() == 1 && packed.front().name.empty())
    text += "\nThis is one split. data.source needs the splits train and test: see --test-share";
  return text;
}

std::string pack_images(const PackRequest& request, const Formats& formats, const Progress& progress) {
  if (request.inputs.size() != 1)
    throw Error(
        ExitCode::usage,
        fmt::format(
            "data pack: {} image files were given, but only one can be packed at a time. For text add "
            "--tokenizer bytes",
            request.inputs.size()));
  const fs::path& input = request.inputs.front();
  if (const Format* format = recognize(formats, input); format != nullptr && format->splits != nullptr)
    return pack_source(*format, request, formats, progress);
  std::error_code ignored;
  if (fs::is_directory(input, ignored))
    throw Error(ExitCode::data,
                fmt::format("data pack: the folder {} holds nothing that can be packed: give {}",
                            input.string(), packable_paths(formats)));
  if (request.test_share > 0)
    throw Error(
        ExitCode::usage,
        "data pack: --test-share is for text, with --tokenizer, and for pictures; IDX images have a test "
        "split of their own");
  if (request.size > 0 || request.crop || request.channels > 0)
    throw Error(
        ExitCode::usage,
        "data pack: --size, --crop and --channels are for pictures; IDX images get another size by --pad");
  if (!request.layout.empty())
    throw Error(ExitCode::usage,
                "data pack: --layout is for .npy, .npz and .safetensors files; the header of "
                "an IDX file says where its channels are");
  PackOptions options;
  options.images = input;
  options.labels = request.labels;
  options.out = request.out;
  options.shard_bytes = shard_bytes_of(request);
  options.compression = request.compression;
  options.pad = request.pad;
  return packed_text(pack_idx(options, progress), "samples", pack_folder(request.out));
}

Packer image_packer() {
  Packer packer;
  packer.output = "MDS shards of pictures, or of an IDX dataset (the MNIST family)";
  packer.input = "a folder of pictures, or an IDX file of images, plain or .gz";
  packer.unit = "samples";
  packer.pack = pack_images;
  return packer;
}

// wids, a part of WebDataset, has an index.json too: {"__kind__": "wids-shard-index-v1", "shardlist": [...]}.
bool is_index_of_tars(const fs::path& path) {
  try {
    const std::string begin = read_head(path, 4096, ExitCode::data);
    return begin.find("\"shardlist\"") != std::string::npos || begin.find("\"wids-") != std::string::npos;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

Format mds_format() {
  Format format;
  format.name = "mds";
  format.doc = "images in MDS shards";
  format.fields = {std::string(core::kImageField), std::string(core::kLabelField)};
  format.texts.source = "one subfolder per split, train and test";
  format.texts.path = "a folder with an index.json";
  format.describe_keys = describe_picture_shape;
  format.sample_noun = [](const DataConfig&) { return std::string("samples"); };
  format.open = [](const DataConfig& config, const SplitRequest& request) {
    return open_mds(fs::path(config.source) / request.split,
                    {request.fields, config.cache.ram, request.allocate, request.classes, config.pictures});
  };
  format.recognizes = [](const fs::path& path) {
    std::error_code ignored;
    for (const fs::path& folder : {path, path / "train"}) {
      if (fs::exists(folder / "index.json", ignored) && !is_index_of_tars(folder / "index.json")) return true;
      for (const char* name : {"shard.00000.mds", "shard.00000.mds.zstd"})  // the index may be lost
        if (fs::exists(folder / name, ignored)) return true;
    }
    return false;
  };
  format.inspect = inspect_mds;
  format.verify = verify_mds;
  format.packer = image_packer();
  return format;
}

}  // namespace ebb::data
