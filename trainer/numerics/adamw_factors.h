// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ebb::numerics {

// The factors of AdamW's inner loop at step t, in fp32. They are the same on every device, so all give the
// same bits.
struct AdamWFactors {
  float decay_factor;  // 1 - lr * weight_decay
  float one_minus_beta1, beta2, one_minus_beta2;
  float step_size;            // lr / (1 - beta1^t)
  float second_moment_scale;  // 1 / sqrt(1 - beta2^t)
  float eps, gradient_scale;
};

}  // namespace ebb::numerics
