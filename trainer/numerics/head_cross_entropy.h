// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

// See ops.h for the contract that all operators share.
namespace ebb::numerics {

inline constexpr std::int64_t kIgnoreIndex = -100;  // a target that does not count

// The head of a language model fused with its loss: the sum over rows of -log softmax(h w^T)[target], an fp32
// scalar. h [N, C], w [V, C], targets [N] int64. With `z`, each row adds z log(sum of exp(logits))^2, which
// keeps logits near 0 (Chowdhery et al., "PaLM", 2022).
//
// The CPU computes logits in blocks of rows and vocabulary, in forward and again in backward. In backward it
// also holds an fp32 [N, C]. Sums are in fp32. Their last bits depend on the block sizes, and not on the
// number of threads, except in products by LibTorch's BLAS (ops.h).
//
// A GPU stores logits in the tensors' dtype, a block of rows at a time: about 512 Mi elements at
// most, and about a quarter of the rows if there are many. It computes the gradients in forward and holds
// that of w in fp32 until backward.
at::Tensor head_cross_entropy(const at::Tensor& h, const at::Tensor& w, const at::Tensor& targets,
                              double z = 0);

}  // namespace ebb::numerics
