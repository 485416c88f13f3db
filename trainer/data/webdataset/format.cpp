// SPDX-License-Identifier: Apache-2.0
#include "data/webdataset/format.h"

#include "data/pictures/keys.h"
#include "data/webdataset/dataset.h"
#include "data/webdataset/inspect.h"
#include "data/webdataset/shards.h"

namespace ebb::data {

Format webdataset_format() {
  Format format;
  format.name = "webdataset";
  format.doc = "tar archives of WebDataset, with images and labels";
  format.fields = {std::string(core::kImageField), std::string(core::kLabelField)};
  format.texts.source =
      "tar archives in subfolders train and test, or named train-*.tar and test-*.tar, or in one folder with "
      "data.test_share";
  format.texts.path = "a tar archive or a folder of them";
  format.describe_keys = describe_picture_keys;
  format.sample_noun = [](const DataConfig&) { return std::string("samples"); };
  format.open = open_webdataset;
  format.recognizes = holds_shards;
  format.inspect = inspect_webdataset;
  format.verify = verify_webdataset;
  format.splits = webdataset_splits;
  return format;
}

}  // namespace ebb::data
