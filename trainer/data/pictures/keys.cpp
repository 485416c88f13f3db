// SPDX-License-Identifier: Apache-2.0
#include "data/pictures/keys.h"

#include <fmt/format.h>

#include "data/test_share.h"

namespace ebb::data {

namespace {

void describe_shape(config::Section& section, PictureConfig& pictures) {
  section.integer_or_auto("size", pictures.size)
      .at_least(1)
      .at_most(kLargestSize)
      .unit("pixels")
      .doc(
          "Height and width that every picture gets when it is read. auto: pictures stay as they are, and "
          "must "
          "all have one size.");
  section.choice("crop", pictures.crop, {{"none", false}, {"center", true}})
      .doc(
          "What data.size does with a picture that is not square. center: uses the largest square in its "
          "middle. none: uses the whole picture, stretched to a square.");
  section.integer("channels", pictures.channels)
      .at_least(1)
      .at_most(4)
      .doc(
          "Channels of a sample. 1: grey. 3: colour; transparent parts are white. 4: colour and alpha. Other "
          "pictures are converted.");
  section.rule({"crop", "size"}, [&pictures]() -> std::string {
    return pictures.crop && !pictures.size ? "a picture is cropped when it gets a size: set size too, or set "
                                             "crop to none"
                                           : "";
  });
  section.rule({"channels"}, [&pictures]() -> std::string {
    return pictures.channels == 2 ? "pictures have 1, 3 or 4 channels, not 2" : "";
  });
}

}  // namespace

void describe_picture_shape(config::Section& section, DataConfig& config) {
  describe_shape(section, config.pictures);
}

void describe_picture_keys(config::Section& section, DataConfig& config) {
  describe_shape(section, config.pictures);
  describe_test_share(section, config);
}

}  // namespace ebb::data
