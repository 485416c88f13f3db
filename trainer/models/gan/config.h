// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/section.h"
#include "core/schedule.h"
#include "models/family.h"

namespace ebb::models {

enum class GanArchitecture { residual, dcgan };
// The adversarial loss, of the logits r of real and f of generated samples (each pair has one of both):
//   relativistic    D: softplus(f - r)             G: softplus(r - f)   (Jolicoeur-Martineau, 2019)
//   non_saturating  D: softplus(-r) + softplus(f)  G: softplus(-f)      (Goodfellow et al., 2014)
//   hinge           D: relu(1 - r) + relu(1 + f)   G: -f                (Lim and Ye, 2017)
//   wasserstein     D: f - r                       G: -f                (Arjovsky et al., 2017)
enum class GanLoss { relativistic, non_saturating, hinge, wasserstein };

// Penalties of the discriminator's gradient by its input.
struct GanPenaltyConfig {
  double r1 = 0.1;         // gamma: gamma / 2 |grad D(x)|^2 of real samples (Mescheder et al., 2018)
  double r2 = 0.1;         // the same of generated samples
  double gradient = 0.0;   // lambda (|grad D| - 1)^2 between both (Gulrajani et al., 2017)
  std::int64_t every = 1;  // training steps from one penalty to the next, which is multiplied by it
  double final_ratio = 1;  // of all weights at the end of the schedule, to their first values
  core::Schedule schedule;
  void describe(config::Section& s);
  [[nodiscard]] bool any() const { return r1 > 0 || r2 > 0 || gradient > 0; }
  // The factor of all weights after `done` samples.
  [[nodiscard]] double ratio(std::int64_t done) const { return schedule.value(1, final_ratio, done); }
};

// Augmentation of the discriminator's inputs (augment.h). Its probability has a schedule, or follows a
// target.
struct GanAugmentConfig {
  static constexpr double kLargestAdaptive = 0.8;
  double probability = 0;        // at the start; 0 without schedule and target: no augmentation
  double final_probability = 0;  // at the end of the schedule
  core::Schedule schedule;
  double target = 0;                     // mean sign of the logits of real samples; 0: the schedule applies
  std::int64_t adjust_samples = 500000;  // in which an adaptive probability moves by 1
  void describe(config::Section& s);
  [[nodiscard]] bool is_adaptive() const { return target > 0; }
  // The probability of the schedule after `done` samples.
  [[nodiscard]] double scheduled(std::int64_t done) const {
    return schedule.value(probability, final_probability, done);
  }
};

// A generative adversarial network. The defaults are a small form of R3GAN (Huang et al., "The GAN is dead;
// long live the GAN!", 2024).
struct GanConfig {
  GanArchitecture architecture = GanArchitecture::residual;
  std::int64_t latent = 64;
  std::int64_t width = 64;       // channels at the full size
  std::int64_t max_width = 128;  // channels double with each halving of the size, up to this
  std::int64_t blocks = 1;       // residual blocks of a stage
  std::int64_t group_width = 16;
  bool conditional = false;
  std::int64_t classes = 10;
  GanLoss loss = GanLoss::relativistic;
  GanPenaltyConfig penalty;
  GanAugmentConfig augment;
  std::int64_t discriminator_steps = 1;
  void describe(config::Section& s);
  [[nodiscard]] std::vector<FamilyRule> rules() const;
  [[nodiscard]] std::vector<std::string> further_fields() const;
  [[nodiscard]] std::optional<std::int64_t> label_classes() const;
  // Channels of each stage from 4 x 4 to `side` x `side`.
  [[nodiscard]] std::vector<std::int64_t> widths(std::int64_t side) const;
};

}  // namespace ebb::models
