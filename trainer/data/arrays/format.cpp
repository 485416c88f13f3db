// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/format.h"

#include <string>
#include <utility>
#include <vector>

#include "data/arrays/array_file.h"
#include "data/arrays/dataset.h"
#include "data/arrays/inspect.h"
#include "data/config.h"
#include "data/test_share.h"

namespace ebb::data {
namespace {

void describe_array_keys(config::Section& section, DataConfig& config) {
  const std::vector<std::pair<std::string, ArrayLayout>> words = {{"auto", ArrayLayout::automatic},
                                                                  {"NCHW", ArrayLayout::channels_first},
                                                                  {"NHWC", ArrayLayout::channels_last}};
  section.choice("layout", config.layout, words)
      .doc(
          "Where an array of four axes has its 1, 3 or 4 channels: in axis 1 (NCHW) or in axis 3 (NHWC). "
          "auto: "
          "where they can be; if both axes can have them, it must be set. Images keep their size.");
  describe_test_share(section, config);
}

}  // namespace

Format array_format() {
  Format format;
  format.name = "arrays";
  format.doc = "images in arrays of NumPy (.npy, .npz) or safetensors";
  format.fields = {std::string(core::kImageField), std::string(core::kLabelField)};
  format.texts.source =
      "a file .npz or .safetensors with x_train, y_train, x_test and y_test, a folder of such .npy files, or "
      "images "
      "and labels with data.test_share";
  format.texts.path = "a file of arrays (.npy, .npz, .safetensors) or a folder of them";
  format.describe_keys = describe_array_keys;
  format.sample_noun = [](const DataConfig&) { return std::string("images"); };
  format.open = open_arrays;
  format.recognizes = [](const std::filesystem::path& path) {
    return holds_arrays(path) || (holds_arrays(path / "train") && holds_arrays(path / "test"));
  };
  format.inspect = inspect_arrays;
  format.verify = verify_arrays;
  format.splits = array_splits;
  format.beside = [](const DataConfig& config) {
    const auto labels = labels_beside(config.source);
    return labels ? std::vector{*labels} : std::vector<std::filesystem::path>();
  };
  return format;
}

}  // namespace ebb::data
