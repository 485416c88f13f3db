// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include "models/gan/config.h"

namespace ebb::models {

// The adversarial losses of GanLoss, summed over pairs: fp32 scalars of logits [B] fp32.
at::Tensor discriminator_loss(GanLoss loss, const at::Tensor& real, const at::Tensor& generated);
// `real` is read by the relativistic loss alone.
at::Tensor generator_loss(GanLoss loss, const at::Tensor& real, const at::Tensor& generated);

// The squared norms [B] fp32 of the gradients of f by x [B, ...], with a graph. f is a sum over samples of
// which each depends on its own row of x. The gradient is computed multiplied by `scale`, which fp16
// needs, and divided by it in fp32 before it is squared.
at::Tensor squared_gradients(const at::Tensor& f, const at::Tensor& x, double scale);

}  // namespace ebb::models
