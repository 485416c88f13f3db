// SPDX-License-Identifier: Apache-2.0
#include "models/family.h"

#include <fmt/format.h>

#include "core/sample.h"
#include "models/vae/config.h"

namespace ebb::models {

Family vae_family() {
  Family family;
  family.name = "vae";
  family.doc = "a variational autoencoder of images";
  family.reads = {std::string(core::kImageField)};
  family.new_config = [] { return std::make_unique<FamilyConfigOf<VaeConfig>>(); };
  family.texts.result = [](const TestResult& result, const RunFacts&) {
    std::string terms;
    for (const auto& [name, value] : result.terms)
      terms += fmt::format("{}{} {:.3f}", terms.empty() ? "" : " + ", name, value);
    return fmt::format("test loss {:.4f} nats per image ({}), mean of {} test images", result.loss, terms,
                       result.samples);
  };
  family.texts.sample_options = [](const RunFacts&) { return "-o more.png --count 100"; };
  family.texts.sample_files = {
      {"samples.png", "new images"},
      {"reconstructions.png", "test images, each with the model's reconstruction below it"}};
  return family;
}

}  // namespace ebb::models
