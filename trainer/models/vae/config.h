// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "config/section.h"

namespace ebb::models {

// The distribution of a pixel given the decoder's output; see likelihood.h.
enum class Likelihood { bernoulli, gaussian, discretized_logistic };

// A convolutional variational autoencoder (Kingma and Welling, "Auto-encoding variational Bayes", 2014).
struct VaeConfig {
  std::int64_t latent = 32;
  std::int64_t width = 64;
  std::int64_t hidden = 256;
  double kl_weight = 1.0;
  Likelihood likelihood = Likelihood::bernoulli;
  void describe(config::Section& s);
};

}  // namespace ebb::models
