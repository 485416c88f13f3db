// SPDX-License-Identifier: Apache-2.0
#include "models/family.h"

#include <fmt/format.h>

#include <numbers>

#include "core/sample.h"
#include "models/vae/config.h"

namespace ebb::models {

namespace {

std::vector<Measure> measures_of_images(const TestResult& result) {
  double evidence_bound = 0;
  for (const auto& [name, value] : result.terms) evidence_bound -= value;  // terms have no kl_weight
  std::vector<Measure> all = {
      {"evidence_bound", evidence_bound, fmt::format("evidence bound {:.2f} nats", evidence_bound)}};
  if (!result.bound) return all;
  const LikelihoodBound& bound = *result.bound;
  all.push_back({"importance_weighted_bound", bound.nats,
                 fmt::format("importance-weighted bound ({} {}) {:.2f} nats", bound.draws,
                             bound.draws == 1 ? "draw" : "draws", bound.nats)});
  if (bound.is_discrete) {
    const double bits = -bound.nats / (static_cast<double>(bound.dimensions) * std::numbers::ln2);
    all.push_back({"bits_per_dimension", bits, fmt::format("{:.2f} bits per dimension", bits)});
  }
  return all;
}

}  // namespace

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
    return fmt::format("{} loss {:.4f} nats per image ({}), mean of {} {} images", result.split, result.loss,
                       terms, result.samples, result.split);
  };
  family.texts.measures = measures_of_images;
  family.texts.sample_options = [](const RunFacts&) { return "-o more.png --count 100"; };
  family.texts.sample_files = {
      {"samples.png", "new images"},
      {"reconstructions.png", "test images, each with the model's reconstruction below it"}};
  return family;
}

}  // namespace ebb::models
