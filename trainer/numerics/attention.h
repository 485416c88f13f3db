// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "numerics/attention_shape.h"

// See ops.h for the contract that all operators share.
namespace ebb::numerics {

// The beginnings of the documents in packed rows [B, T].
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
// even. With `documents` a position attends only to its own document.
//
// It holds no [T, T] matrix: backward computes the rows of scores again, block by block. It keeps qkv, the
// output and one fp32 a row (Dao et al., "FlashAttention", 2022).
//
// On a GPU, packed documents require fp16 or bf16 and D a multiple of 8, since other kernels need [T, T].
// Otherwise it throws Error(usage).
at::Tensor attention(const at::Tensor& qkv, AttentionHeads heads, const at::Tensor& rope = {},
                     const Documents& documents = {});
// Error(usage) if a GPU does not support documents with such heads.
void require_documents_on_gpu(std::int64_t head_width, at::ScalarType dtype);

// The documents of tokens [B, T], for attention() on `device`. A document begins at each token `end`, which
// ends the one before it, and at the first token of each row.
Documents documents_of(const at::Tensor& tokens, std::int64_t end, at::Device device);

}  // namespace ebb::numerics
