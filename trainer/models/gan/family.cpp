// SPDX-License-Identifier: Apache-2.0
#include "models/family.h"

#include <fmt/format.h>

#include "core/sample.h"
#include "models/gan/config.h"

namespace ebb::models {

Family gan_family() {
  Family family;
  family.name = "gan";
  family.doc = "a generative adversarial network of images";
  family.reads = {std::string(core::kImageField)};
  family.trainees = {"discriminator", "generator"};
  family.new_config = [] { return std::make_unique<FamilyConfigOf<GanConfig>>(); };
  family.texts.result = [](const TestResult& result, const RunFacts&) {
    return fmt::format("{} loss {:.4f} of the discriminator, mean of {} {} images", result.split, result.loss,
                       result.samples, result.split);
  };
  family.texts.sample_options = [](const RunFacts&) { return "-o more.png --count 100"; };
  family.texts.sample_files = {{"samples.png", "new images"}};
  return family;
}

}  // namespace ebb::models
