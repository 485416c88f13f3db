// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

// See ops.h for the contract that all operators share.
namespace ebb::numerics {

// Bernoulli negative log-likelihood of targets / 255 under logits, summed over all elements: an fp32 scalar.
// logits [B, C, H, W]; targets uint8 of the same shape. The gradient is (sigmoid(x) - t) * grad in the
// logits' dtype.
at::Tensor bernoulli_nll_sum(const at::Tensor& logits, const at::Tensor& targets);

// Sum over batch and latent of KL(N(mu, exp(logvar)) || N(0, 1)): an fp32 scalar. mu, logvar [B, Z].
at::Tensor gaussian_kl_sum(const at::Tensor& mu, const at::Tensor& logvar);

// x * factor of an fp32 scalar, such as a loss. Differentiable any number of times. Unlike LibTorch's
// operator it makes no tensor of the factor, so it needs the same memory on the CPU and on the meta device.
at::Tensor times(const at::Tensor& x, double factor);

// A uint8 image in [0, 255] as `dtype` in [0, 1].
at::Tensor to_unit_range(const at::Tensor& images, at::ScalarType dtype);

}  // namespace ebb::numerics
