#pragma once
#include <ATen/ATen.h>

#include <cstdint>

#include "numerics/attention_shape.h"

// The operators of sequence models; what ops.h says of storage, computation and derivatives holds here
// too.
namespace ebb::numerics {

// Rows of a table [V, C] by their number: tokens [...] int32 or int64 -> [..., C]. The gradient of a row is
// summed in fp32 in the order of its tokens and rounded once. A number outside the table: Error(internal) on
// the CPU.
at::Tensor embed(const at::Tensor& tokens, const at::Tensor& table);

// A norm on a GPU takes rows of at most so many elements: else Error(usage).
inline constexpr std::int64_t kMaxNormColumnsOnGpu = 8192;

// Over the last dimension, x [..., C], w and b [C]: y = (x - mean) / sqrt(variance + eps) w + b.
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, double eps);
// y = x / sqrt(mean of x^2 + eps) w (Zhang and Sennrich, "Root mean square layer normalization", 2019).
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& w, double eps);

// Both of a sum, as residual streams have them: (x + more, norm of it), x and more [..., C]. The same bits as
// the two in turn, and one pass over memory less each way.
struct AddNorm {
  at::Tensor sum, norm;
};
AddNorm add_layer_norm(const at::Tensor& x, const at::Tensor& more, const at::Tensor& w, const at::Tensor& b,
                       double eps);
AddNorm add_rms_norm(const at::Tensor& x, const at::Tensor& more, const at::Tensor& w, double eps);

// silu(gate) * up, elementwise (Shazeer, "GLU variants improve transformer", 2020).
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

// Causal attention softmax(Q K^T / sqrt(D)) V of each head. qkv [B, T, (query + 2 key) D] holds the heads of
// Q, then those of K, then those of V -> [B, T, query D]. With `rope` [2, T, D / 2] fp32 (cosines, then
// sines), Q and K are first turned by their positions, in fp32. Never holds [T, T]: rows of scores are made
// in blocks and made again in backward; kept are qkv, the output and one fp32 a row (Dao et al.,
// "FlashAttention", 2022). The head width D is even where there is `rope`. With `documents` a position sees
// its own document alone; on a GPU that takes 16 bits and heads a multiple of 8 wide: else Error(usage), for
// there it would need [T, T].
struct Documents {
  at::Tensor starts;  // [B, T] int64 on the CPU: the position, in [0, t], that the document of t begins at
  at::Tensor bounds;  // on a GPU: int32 [documents + 1], the places in [B T] where they begin, and its end
  std::int64_t longest = 0;
  [[nodiscard]] bool defined() const { return starts.defined(); }
};
at::Tensor attention(const at::Tensor& qkv, AttentionHeads heads, const at::Tensor& rope = {},
                     const Documents& documents = {});
// Error(usage) where a GPU does not take documents of such heads.
void require_documents_on_gpu(std::int64_t head_width, at::ScalarType dtype);

// The documents of tokens [B, T], for attention() on `device`: one begins at each token `end` (the one that
// ends a document begins the next) and at each row's first.
Documents documents_of(const at::Tensor& tokens, std::int64_t end, at::Device device);

// `rope` for attention(): angle t theta^(-2i / D) at position t and pair i (Su et al., "RoFormer", 2021), for
// `positions` from `first` on. On the CPU.
at::Tensor rope_table(std::int64_t positions, std::int64_t head_width, double theta,
                      const RopeScaling& scaling = {}, std::int64_t first = 0);

// x [..., T, H, D] turned as attention() turns Q and K: pair i is elements i and i + D / 2. In fp32, rounded
// once. Without a derivative of its own: made of the framework's operators.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& rope);

// Sum over rows of -log softmax(h w^T)[target], fp32 scalar: the head of a language model and its loss in
// one. h [N, C], w [V, C], targets [N] int64; rows whose target is kIgnoreIndex count nothing. Logits are
// made in blocks of rows and vocabulary and made again in backward; what is held beside the gradients is [N,
// C] in fp32. Every sum is in fp32, in one order: the blocks' sizes change its grouping alone, so that it
// differs from the unchunked form by rounding in fp32. On a GPU logits are stored in the tensors' dtype, a
// block of rows at a time (a quarter of many rows at most, and 512 Mi elements), the gradients are made with
// them in forward, and that of w is held in fp32 until backward.
// With `z`, z log(sum of exp(logits))^2 is added for each row, which keeps logits near 0 (Chowdhery et al.,
// "PaLM", 2022).
inline constexpr std::int64_t kIgnoreIndex = -100;
at::Tensor head_cross_entropy(const at::Tensor& h, const at::Tensor& w, const at::Tensor& targets,
                              double z = 0);

}  // namespace ebb::numerics
