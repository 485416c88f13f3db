// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include "models/vae/config.h"

// The likelihoods of images under a decoder. A pixel has the value x = v / 255, for v in 0 to 255.
namespace ebb::models {

// The distribution of the pixels of a batch, independent given `output`.
//
//   bernoulli             log p = x log m + (1 - x) log(1 - m), the output is the logit of the mean m; it is
//                         normalised only for x in {0, 1}
//   gaussian              the density of x, with mean output + 1/2 and deviation exp(log_scale)
//   discretized_logistic  the mass of a logistic with this mean and scale on the bin of v, which is 1/255
//                         wide; the bins of 0 and 255 extend to infinity (Kingma et al., "Improving
//                         variational inference with inverse autoregressive flow", 2016; Salimans et al.,
//                         "PixelCNN++", 2017)
struct PixelDistribution {
  Likelihood likelihood = Likelihood::bernoulli;
  at::Tensor output;     // [B, C, H, W], in the run's dtype
  at::Tensor log_scale;  // [C] fp32, from bounded_log_scale(); undefined for bernoulli
};

// Whether the likelihood has a scale for each channel.
inline bool has_scale(Likelihood likelihood) {
  return likelihood != Likelihood::bernoulli;
}
// The first value of its parameter: the scale of pixels that no code explains yet.
double initial_log_scale(Likelihood likelihood);
// The log-scale [C] fp32 of a parameter [C] of any dtype: l + softplus(parameter - l) with l = -7. Below the
// bound l, densities would grow without limit. Unlike a clamp it has a gradient everywhere (Rybkin et al.,
// "Simple and effective VAE training with calibrated decoders", 2021).
at::Tensor bounded_log_scale(const at::Tensor& parameter);

// The negative log-likelihood of uint8 images [B, C, H, W] in nats, summed over all elements: an fp32 scalar
// with first derivatives by output and log_scale. Computes in fp32 and keeps only its arguments for backward.
at::Tensor nll_sum(const PixelDistribution& pixels, const at::Tensor& images);
// log p(x) of each image in nats: [B] fp64, without a graph.
at::Tensor log_likelihoods(const PixelDistribution& pixels, const at::Tensor& images);
// The means as bytes [B, C, H, W], on the CPU.
at::Tensor mean_images(const PixelDistribution& pixels);

}  // namespace ebb::models
