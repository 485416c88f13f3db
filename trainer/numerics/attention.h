// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "numerics/attention_shape.h"

// See ops.h for the contract that all operators share.
namespace ebb::numerics {

// Where the documents of packed rows [B, T] begin.
struct Documents {
  at::Tensor starts;  // [B, T] int64 on the CPU: the first position of the document of t, in [0, t]
  at::Tensor bounds;  // on a GPU: int32 [documents + 1], first elements of [B T] and its end
  std::int64_t longest = 0;
  [[nodiscard]] bool defined() const { return starts.defined(); }
};

// Causal attention softmax(Q K^T / sqrt(D)) V of each head. qkv [B, T, (query + 2 key) D] holds the heads of
// Q, then those of K, then those of V -> [B, T, query D].
//
// `rope` [2, T, D / 2] fp32 holds cosines, then sines: Q and K are rotated by them in fp32 first. D is then
// even. With `documents` a position sees its own document alone.
//
// No [T, T] matrix is held: backward computes the rows of scores again, block by block. Kept are qkv, the
// output and one fp32 a row (Dao et al., "FlashAttention", 2022).
//
// A GPU takes documents only in 16 bits and with D a multiple of 8, since other kernels need [T, T]: else
// Error(usage).
at::Tensor attention(const at::Tensor& qkv, AttentionHeads heads, const at::Tensor& rope = {},
                     const Documents& documents = {});
// Error(usage) where a GPU does not take documents of such heads.
void require_documents_on_gpu(std::int64_t head_width, at::ScalarType dtype);

// The documents of tokens [B, T], for attention() on `device`. A document begins at each token `end`, which
// ends the one before it, and at the first token of each row.
Documents documents_of(const at::Tensor& tokens, std::int64_t end, at::Device device);

}  // namespace ebb::numerics
