// SPDX-License-Identifier: Apache-2.0
#include "models/gan/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/sample.h"

namespace ebb::models {

void GanPenaltyConfig::describe(config::Section& s) {
  s.number("r1", r1).at_least(0).doc(
      "Weight gamma of the gradient penalty of real samples: gamma / 2 |grad D|^2.");
  s.number("r2", r2).at_least(0).doc("Weight gamma of the same penalty of generated samples.");
  s.number("gradient", gradient)
      .at_least(0)
      .doc("Weight lambda of (|grad D| - 1)^2 between real and generated samples, for loss: wasserstein.");
  s.integer("every", every)
      .at_least(1)
      .at_most(1024)
      .unit("steps")
      .doc("Steps between two penalties. Each penalty is multiplied by this number.");
  s.number("final_ratio", final_ratio)
      .at_least(0)
      .doc("All weights at the end of the schedule, as a multiple of their first values.");
  s.section("schedule", schedule, "Course of the weights.");
}

void GanAugmentConfig::describe(config::Section& s) {
  s.number("probability", probability)
      .at_least(0)
      .at_most(1)
      .doc(
          "Probability of each operation at the start: mirroring, shift, brightness, contrast and, for "
          "three channels, saturation.");
  s.number("final_probability", final_probability)
      .at_least(0)
      .at_most(1)
      .doc("Probability at the end of the schedule.");
  s.section("schedule", schedule, "Course of the probability.");
  s.number("target", target)
      .at_least(0)
      .at_most(1)
      .doc(
          "Mean sign of the discriminator's logits of real samples, such as 0.6. While the mean is above "
          "it, the probability rises, to at most 0.8; below it, the probability falls. 0: the schedule alone "
          "determines it.");
  s.integer("adjust_samples", adjust_samples)
      .at_least(1)
      .unit("samples")
      .doc("Samples over which the probability changes by 1.");
}

void GanConfig::describe(config::Section& s) {
  s.choice("architecture", architecture,
           {{"residual", GanArchitecture::residual}, {"dcgan", GanArchitecture::dcgan}})
      .doc(
          "residual: bottleneck blocks with grouped convolutions, without norms. dcgan: strided "
          "convolutions with group norms.")
      .shapes_state();
  s.integer("latent", latent)
      .at_least(1)
      .at_most(65536)
      .doc("Dimensions of the generator's noise.")
      .shapes_state();
  s.integer("width", width)
      .at_least(1)
      .at_most(65536)
      .doc("Channels of both networks at the full image size.")
      .shapes_state();
  s.integer("max_width", max_width)
      .at_least(1)
      .at_most(65536)
      .doc("Maximum of the channels, which double each time the size is halved.");
  s.integer("blocks", blocks).at_least(1).at_most(1024).doc("Residual blocks of each size.");
  s.integer("group_width", group_width)
      .at_least(1)
      .at_most(65536)
      .doc("Channels of a group: of grouped convolutions (residual) or of group norms (dcgan).");
  s.flag("conditional", conditional).doc("Both networks read the label of a sample.").shapes_state();
  s.integer("classes", classes).at_least(1).at_most(1 << 24).doc("Labels are below this number.");
  s.choice("loss", loss,
           {{"relativistic", GanLoss::relativistic},
            {"non_saturating", GanLoss::non_saturating},
            {"hinge", GanLoss::hinge},
            {"wasserstein", GanLoss::wasserstein}})
      .doc("Adversarial loss; relativistic compares pairs of a real and a generated sample.");
  s.section("penalty", penalty, "Penalties of the discriminator's gradient by its input.");
  s.section("augment", augment, "Augmentation of the images that the discriminator sees in training.");
  s.integer("discriminator_steps", discriminator_steps)
      .at_least(1)
      .at_most(64)
      .doc("Updates of the discriminator in a step, each on a new batch, before that of the generator.");
}

std::vector<FamilyRule> GanConfig::rules() const {
  const auto divides = [this](const RunFacts&) -> std::string {
    const std::int64_t inner = architecture == GanArchitecture::residual ? 2 : 1;
    for (const std::int64_t channels : {width, max_width})
      if (inner * channels % group_width != 0)
        return fmt::format("groups of {} channels do not divide {} channels: choose a divisor", group_width,
                           inner * channels);
    return "";
  };
  const auto grows = [this](const RunFacts&) -> std::string {
    return max_width < width ? fmt::format("max_width {} is below width {}", max_width, width) : "";
  };
  const auto either = [this](const RunFacts&) -> std::string {
    return augment.is_adaptive() && augment.schedule.curve != core::Curve::constant
               ? "a probability that follows a target has no schedule: set model.augment.target to 0, or "
                 "model.augment.schedule.curve to constant"
               : "";
  };
  const auto begins = [this](const RunFacts&) -> std::string {
    return augment.is_adaptive() && augment.probability > GanAugmentConfig::kLargestAdaptive
               ? fmt::format("a probability that follows a target is at most {}: start with that or less",
                             GanAugmentConfig::kLargestAdaptive)
               : "";
  };
  return {{{"model.group_width", "model.width", "model.max_width"}, divides},
          {{"model.width", "model.max_width"}, grows},
          {{"model.augment.target", "model.augment.schedule.curve"}, either},
          {{"model.augment.target", "model.augment.probability"}, begins}};
}

std::vector<std::string> GanConfig::further_fields() const {
  if (!conditional) return {};
  return {std::string(core::kLabelField)};
}

std::optional<std::int64_t> GanConfig::label_classes() const {
  if (!conditional) return std::nullopt;
  return classes;
}

std::vector<std::int64_t> GanConfig::widths(std::int64_t side) const {
  std::vector<std::int64_t> all;
  std::int64_t channels = width;
  for (; side >= 4; side /= 2, channels *= 2) all.push_back(std::min(channels, max_width));
  std::reverse(all.begin(), all.end());
  return all;
}

}  // namespace ebb::models
