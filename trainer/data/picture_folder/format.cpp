// SPDX-License-Identifier: Apache-2.0
#include "data/picture_folder/format.h"

#include <system_error>

#include "data/picture_folder/dataset.h"
#include "data/picture_folder/inspect.h"
#include "data/picture_folder/list.h"
#include "data/picture_zip/dataset.h"
#include "data/pictures/keys.h"

namespace ebb::data {

namespace fs = std::filesystem;

Format picture_folder_format() {
  Format format;
  format.name = "pictures";
  format.doc = "a folder, or a zip archive, of JPEG, PNG, WebP and BMP files";
  format.fields = {std::string(core::kImageField), std::string(core::kLabelField)};
  format.texts.source =
      "pictures in subfolders train and test, or in one folder with data.test_share; in them a folder for "
      "each class, if there are labels; "
      "or a zip archive, or train.zip and test.zip, with labels in dataset.json or such folders";
  format.texts.path = "a folder of pictures or a .zip of them";
  format.describe_keys = describe_picture_keys;
  format.sample_noun = [](const DataConfig&) { return std::string("pictures"); };
  format.open = [](const DataConfig& config, const SplitRequest& request) {
    return is_picture_zip(config.source) ? open_picture_zip(config, request)
                                         : open_picture_folder(config, request);
  };
  format.recognizes = [](const fs::path& path) {
    std::error_code ignored;
    return is_picture_zip(path) || (fs::is_directory(path, ignored) &&
                                    (holds_picture(path) || holds_picture(path / "train")));  // may be a link
  };
  format.inspect = [](const fs::path& path) {
    return is_picture_zip(path) ? inspect_picture_zip(path) : inspect_picture_folder(path);
  };
  format.verify = [](const fs::path& path, const Progress& progress) {
    return is_picture_zip(path) ? verify_picture_zip(path, progress) : verify_picture_folder(path, progress);
  };
  format.splits = [](const DataConfig& config) {
    return is_picture_zip(config.source) ? picture_zip_splits(config) : picture_splits(config);
  };
  return format;
}

}  // namespace ebb::data
