#pragma once
#include <ATen/ATen.h>

#include <cstdint>

#include "numerics/activation.h"

// The operators that models call. On the CPU a 16-bit tensor is stored in 16 bits and computed in fp32: each
// op converts block by block into a bounded workspace (memory class workspace) and saves only 16-bit
// tensors for backward. On a CPU fp32 takes the same way without conversion; CUDA to cuDNN/cuBLAS in
// the tensor's own dtype. All are differentiable once; asking for a graph of their backward throws (or is
// right, where the framework's own is used).
namespace ebb::numerics {

// y = act(x W^T + b). x [..., in], w [out, in], b [out] or undefined for none; all of one dtype.
at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                  Activation act = Activation::none);

// y = act(conv(x, w) + b). x [B, C, H, W], w [K, C, kh, kw], b [K]; square stride and padding.
at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, std::int64_t stride,
                  std::int64_t padding, Activation act = Activation::none);

// y = act(conv_transpose(x, w) + b). x [B, C, H, W], w [C, K, kh, kw], b [K].
at::Tensor conv_transpose2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                            std::int64_t stride, std::int64_t padding, Activation act = Activation::none);

// Bernoulli negative log-likelihood of uint8 targets/255 under logits, summed over all elements;
// fp32 scalar, computed in fp32, in one pass; its backward gives (sigmoid(x) - t) * grad in the logits'
// dtype. logits [B, C, H, W]; targets the same shape, uint8.
at::Tensor bernoulli_nll_sum(const at::Tensor& logits, const at::Tensor& targets);

// Sum over batch and latent of KL(N(mu, exp(logvar)) || N(0, 1)); fp32 scalar. mu, logvar [B, Z].
at::Tensor gaussian_kl_sum(const at::Tensor& mu, const at::Tensor& logvar);

// uint8 image [0,255] -> dtype in [0,1].
at::Tensor to_unit_range(const at::Tensor& images, at::ScalarType dtype);

// z = mu + exp(logvar/2) * eps, eps ~ N(0,1) drawn by Philox at (seed, Stream::latent, position + row,
// column): the same numbers for a sample on every world size and batch split. mu, logvar [B, Z]. eps is drawn
// again in backward, not kept.
at::Tensor reparameterize(const at::Tensor& mu, const at::Tensor& logvar, std::uint64_t seed,
                          std::int64_t position);

// Standard normals [rows, columns], row r keyed by (seed, stream, first_row + r).
at::Tensor philox_normal(std::int64_t rows, std::int64_t columns, std::uint64_t seed, std::uint32_t stream,
                         std::int64_t first_row, at::ScalarType dtype, at::Device device);

}  // namespace ebb::numerics
