// SPDX-License-Identifier: Apache-2.0
#include "data/mds/format.h"

#include "data/config.h"
#include "data/mds/dataset.h"
#include "data/mds/inspect.h"

namespace ebb::data {

namespace fs = std::filesystem;

Format mds_format() {
  Format format;
  format.name = "mds";
  format.doc = "images in MDS shards";
  format.fields = {std::string(core::kImageField), std::string(core::kLabelField)};
  format.texts.source = "one subfolder per split, train and test";
  format.texts.path = "a folder with an index.json";
  format.texts.pack_output = "MDS shards of an IDX dataset (the MNIST family)";
  format.texts.pack_input = "an IDX file of images, plain or .gz";
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
  return format;
}

}  // namespace ebb::data
