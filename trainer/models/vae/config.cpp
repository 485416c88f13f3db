// SPDX-License-Identifier: Apache-2.0
#include "models/vae/config.h"

namespace ebb::models {

void VaeConfig::describe(config::Section& s) {
  s.integer("latent", latent).at_least(1).at_most(65536).doc("Dimensions of the latent code.").shapes_state();
  s.integer("width", width)
      .at_least(2)
      .at_most(65536)
      .doc("Channels of the inner convolution; the outer one has half of them.")
      .shapes_state();
  s.integer("hidden", hidden)
      .at_least(1)
      .at_most(1048576)
      .doc("Width of the dense layer on each side of the code.")
      .shapes_state();
  s.number("kl_weight", kl_weight)
      .at_least(0)
      .doc("Weight of the KL term in the loss (beta of a beta-VAE; 1 is the evidence lower bound).");
  s.choice("likelihood", likelihood,
           {{"bernoulli", Likelihood::bernoulli},
            {"gaussian", Likelihood::gaussian},
            {"discretized_logistic", Likelihood::discretized_logistic}})
      .doc(
          "Distribution of a pixel given the code. bernoulli: its value in [0, 1] as a probability. "
          "gaussian: a density, with a learned scale for each channel. discretized_logistic: probabilities "
          "of the 256 values, with such a scale; only its results can be bits per dimension.")
      .shapes_state();
}

}  // namespace ebb::models
