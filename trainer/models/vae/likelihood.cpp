// SPDX-License-Identifier: Apache-2.0
#include "models/vae/likelihood.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "models/sampler.h"
#include "numerics/no_double_backward.h"
#include "numerics/ops.h"

namespace ebb::models {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kLeastLogScale = -7;
constexpr int kLargestValue = 255;
constexpr double kCentre = 0.5;                        // the mean of a pixel where the output is 0
constexpr std::int64_t kPart = std::int64_t{1} << 20;  // elements whose fp32 temporaries exist at once

// body(first, count) for parts of the batch, each of as many images as fit in kPart elements, at least one.
template <class Body>
void for_parts(const at::Tensor& images, const Body& body) {
  const std::int64_t batch = images.size(0);
  if (batch == 0) return;
  const std::int64_t part = std::max<std::int64_t>(1, kPart / std::max<std::int64_t>(1, images[0].numel()));
  for (std::int64_t first = 0; first < batch; first += part) body(first, std::min(part, batch - first));
}

// The last operation, with all temporaries alive, is one of two tensors: it takes no memory for a number,
// which the plan of the step would lack.
at::Tensor log_gaussian(const at::Tensor& residual, const at::Tensor& log_scale) {
  const at::Tensor normalization = log_scale + 0.5 * std::log(2 * std::numbers::pi);
  return (residual * (-log_scale).exp()).square() * -0.5 - normalization;
}

// With c the residual and h half of a bin, both in scales, the mass of a bin is
//   sigmoid(c + h) - sigmoid(c - h) = sigmoid(c + h) sigmoid(h - c) (1 - exp(-2 h)).
// The logarithms of the three factors are negative, so nothing cancels, however far the mean is. An edge bin
// is one of the two sigmoids.
at::Tensor log_discretized_logistic(const at::Tensor& residual, const at::Tensor& log_scale,
                                    const at::Tensor& images) {
  const at::Tensor inverse = (-log_scale).exp();
  const at::Tensor centre = residual * inverse, half = inverse * (0.5 / kLargestValue);
  const at::Tensor lowest = images.eq(0), highest = images.eq(kLargestValue);
  // log sigmoid(x) = -softplus(-x), which the meta device has too.
  const at::Tensor below_upper_end = at::softplus(-(centre + half)).masked_fill(highest, 0.0);
  const at::Tensor above_lower_end = at::softplus(centre - half).masked_fill(lowest, 0.0);
  const at::Tensor width = at::expm1(half * -2.0).neg().log();  // [1, C, 1, 1]
  return width.expand_as(centre).masked_fill(lowest.bitwise_or(highest), 0.0) - below_upper_end -
         above_lower_end;
}

// log p of each pixel: [B, C, H, W] fp32, differentiable by LibTorch.
at::Tensor log_probabilities(const PixelDistribution& pixels, const at::Tensor& images) {
  const at::Tensor values = images.to(at::kFloat).div_(kLargestValue);
  const at::Tensor output = pixels.output.to(at::kFloat);
  if (pixels.likelihood == Likelihood::bernoulli)
    // Not binary_cross_entropy_with_logits: its log_sigmoid has no form for the meta device.
    return (values.sub_(1) * output).sub_(at::softplus(-output));
  const at::Tensor residual = values.sub_(kCentre) - output;
  const at::Tensor log_scale = pixels.log_scale.view({1, -1, 1, 1});
  return pixels.likelihood == Likelihood::gaussian ? log_gaussian(residual, log_scale)
                                                   : log_discretized_logistic(residual, log_scale, images);
}

// nll_sum() of the likelihoods with a scale. Forward and backward take the batch in parts, and backward
// computes the probabilities again. The graph of all fp32 temporaries would be several times the output.
struct ScaledNll : torch::autograd::Function<ScaledNll> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& output, const at::Tensor& log_scale,
                            const at::Tensor& images, std::int64_t likelihood) {
    ctx->save_for_backward({output, log_scale, images});
    ctx->saved_data["likelihood"] = likelihood;
    at::Tensor sum = at::zeros({}, log_scale.options());
    for_parts(images, [&](std::int64_t first, std::int64_t count) {
      const PixelDistribution part{static_cast<Likelihood>(likelihood), output.narrow(0, first, count),
                                   log_scale};
      sum.sub_(log_probabilities(part, images.narrow(0, first, count)).sum());
    });
    return sum;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    numerics::refuse_second_derivative("the likelihood of pixels");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &output = saved[0], &images = saved[2];
    const at::Tensor d_output = at::empty_like(output), d_scale = at::zeros_like(saved[1]);
    const auto likelihood = static_cast<Likelihood>(ctx->saved_data["likelihood"].toInt());
    for_parts(images, [&](std::int64_t first, std::int64_t count) {
      PixelDistribution part{likelihood, output.narrow(0, first, count).detach().requires_grad_(),
                             saved[1].detach().requires_grad_()};
      at::Tensor sum;
      {
        const at::AutoGradMode with_graph(true);
        sum = log_probabilities(part, images.narrow(0, first, count)).sum();
      }
      const variable_list gradients =
          torch::autograd::grad({sum}, {part.output, part.log_scale}, {dy[0].neg()});
      d_output.narrow(0, first, count).copy_(gradients[0]);
      d_scale.add_(gradients[1]);
    });
    return {d_output, d_scale, {}, {}};
  }
};

}  // namespace

double initial_log_scale(Likelihood likelihood) {
  // A logistic has 1.8 times the deviation of a Gaussian of the same scale.
  return likelihood == Likelihood::discretized_logistic ? -2 : -1;
}

at::Tensor bounded_log_scale(const at::Tensor& parameter) {
  return at::softplus(parameter.to(at::kFloat) - kLeastLogScale) + kLeastLogScale;
}

at::Tensor nll_sum(const PixelDistribution& pixels, const at::Tensor& images) {
  if (!has_scale(pixels.likelihood)) return numerics::bernoulli_nll_sum(pixels.output, images);
  return ScaledNll::apply(pixels.output, pixels.log_scale, images,
                          static_cast<std::int64_t>(pixels.likelihood));
}

at::Tensor log_likelihoods(const PixelDistribution& pixels, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  at::Tensor all = at::empty({images.size(0)}, images.options().dtype(at::kDouble));
  for_parts(images, [&](std::int64_t first, std::int64_t count) {
    const PixelDistribution part{pixels.likelihood, pixels.output.narrow(0, first, count), pixels.log_scale};
    // Rows in fp32 and their sums in fp64: a conversion of all pixels would need twice their memory.
    const at::Tensor rows = log_probabilities(part, images.narrow(0, first, count)).sum(3);
    all.narrow(0, first, count).copy_(rows.to(at::kDouble).sum({1, 2}));
  });
  return all;
}

at::Tensor mean_images(const PixelDistribution& pixels) {
  const at::Tensor output = pixels.output.to(at::kFloat);
  const at::Tensor means = has_scale(pixels.likelihood) ? (output + kCentre).clamp(0, 1) : output.sigmoid();
  return on_host((means * kLargestValue).round().to(at::kByte));
}

}  // namespace ebb::models
