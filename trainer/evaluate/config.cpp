// SPDX-License-Identifier: Apache-2.0
#include "evaluate/config.h"

namespace ebb::evaluate {

void EvaluateConfig::describe(config::Section& s) {
  s.integer("samples", samples)
      .at_least(0)
      .unit("images")
      .doc("Images that an evaluation generates and compares with the dataset; 0: none.")
      .free_to_change();
  s.text("features", features)
      .doc(
          "TorchScript file that maps images [N, C, H, W] uint8 to features [N, F], for the Frechet "
          "distance, the kernel distance, precision and recall; empty: none of these.")
      .free_to_change();
  s.integer("draws", draws)
      .at_least(0)
      .doc(
          "Draws of the importance-weighted bound, which an evaluation of a model with a latent code "
          "estimates for each sample of the test split; 0: no bound. Each costs one forward pass of the "
          "decoder.")
      .free_to_change();
}

}  // namespace ebb::evaluate
