// SPDX-License-Identifier: Apache-2.0
#include "models/gan/losses.h"

#include <torch/csrc/autograd/autograd.h>

namespace ebb::models {

at::Tensor discriminator_loss(GanLoss loss, const at::Tensor& real, const at::Tensor& generated) {
  switch (loss) {
    case GanLoss::relativistic:
      return at::softplus(generated - real).sum();
    case GanLoss::non_saturating:
      return (at::softplus(-real) + at::softplus(generated)).sum();
    case GanLoss::hinge:  // a relu, which has no form for the meta device
      return (at::threshold(1 - real, 0, 0) + at::threshold(1 + generated, 0, 0)).sum();
    case GanLoss::wasserstein:
      return (generated - real).sum();
  }
  return {};
}

at::Tensor generator_loss(GanLoss loss, const at::Tensor& real, const at::Tensor& generated) {
  switch (loss) {
    case GanLoss::relativistic:
      return at::softplus(real - generated).sum();
    case GanLoss::non_saturating:
      return at::softplus(-generated).sum();
    case GanLoss::hinge:
    case GanLoss::wasserstein:
      return -generated.sum();
  }
  return {};
}

at::Tensor squared_gradients(const at::Tensor& f, const at::Tensor& x, double scale) {
  const at::Tensor gradient =
      torch::autograd::grad({f * scale}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
  return (gradient.to(at::kFloat) * (1 / scale)).square().flatten(1).sum(1);
}

}  // namespace ebb::models
