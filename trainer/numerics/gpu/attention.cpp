// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "numerics/cpu/workspace.h"
#include "numerics/gpu/dry_ops.h"
#include "numerics/gpu/ops.h"
#include "numerics/no_double_backward.h"
#include "numerics/rope.h"

namespace ebb::numerics::gpu {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Shape {
  std::int64_t batch, length, queries, keys, width;
  Shape(const at::Tensor& qkv, std::int64_t query_heads, std::int64_t key_heads)
      : batch(qkv.size(0)),
        length(qkv.size(1)),
        queries(query_heads),
        keys(key_heads),
        width(qkv.size(2) / (query_heads + 2 * key_heads)) {}
  [[nodiscard]] std::int64_t row() const { return (queries + 2 * keys) * width; }
};

// [B, T, heads, D] of the packed rows, from head `first` on.
at::Tensor heads_of(const at::Tensor& qkv, const Shape& s, std::int64_t first, std::int64_t heads) {
  return qkv.view({s.batch, s.length, s.queries + 2 * s.keys, s.width}).narrow(2, first, heads);
}

// Rotates `in` by its positions, or back, into `out`. Both [B, T, heads, D], the heads of a token adjacent.
void apply_rope(const at::Tensor& in, const at::Tensor& out, const at::Tensor& rope, bool back) {
  cuda_table().rotate(dtype_of(in), in.const_data_ptr(), in.stride(1), out.mutable_data_ptr(), out.stride(1),
                      rope.const_data_ptr<float>(), in.size(0) * in.size(1), in.size(1), in.size(2),
                      in.size(3) / 2, back, cuda_stream(in));
}

struct Sides {
  at::Tensor q, k, v;  // [B, heads, T, D] of [B, T, heads, D] storage
  // [B T, heads, D]
  static at::Tensor rows(const at::Tensor& side) { return side.transpose(1, 2).flatten(0, 1); }
};
Sides sides(const at::Tensor& qkv, const Shape& s, const at::Tensor& rope) {
  at::Tensor q = heads_of(qkv, s, 0, s.queries), k = heads_of(qkv, s, s.queries, s.keys);
  if (rope.defined()) {
    for (at::Tensor* side : {&q, &k}) {
      const at::Tensor rotated = at::empty(side->sizes(), qkv.options());
      apply_rope(*side, rotated, rope, false);
      *side = rotated;
    }
  }
  return {q.transpose(1, 2), k.transpose(1, 2), heads_of(qkv, s, s.queries + s.keys, s.keys).transpose(1, 2)};
}

// The gradient of the packed rows from those of Q, K and V, [B, heads, T, D].
at::Tensor packed(const Shape& s, const at::Tensor& rope, const at::Tensor& dq, const at::Tensor& dk,
                  const at::Tensor& dv) {
  if (!rope.defined())
    return at::cat({dq.transpose(1, 2), dk.transpose(1, 2), dv.transpose(1, 2)}, 2)
        .view({s.batch, s.length, s.row()});
  const at::Tensor d_qkv = at::empty({s.batch, s.length, s.row()}, dq.options());
  apply_rope(dq.transpose(1, 2).contiguous(), heads_of(d_qkv, s, 0, s.queries), rope, true);
  apply_rope(dk.transpose(1, 2).contiguous(), heads_of(d_qkv, s, s.queries, s.keys), rope, true);
  heads_of(d_qkv, s, s.queries + s.keys, s.keys).copy_(dv.transpose(1, 2));
  return d_qkv;
}

// cuDNN's kernels are faster than LibTorch's on Hopper (docs/benchmarks.md). cuDNN prepares each new shape
// for a while. Only the repeated shapes of training justify that.
bool by_cudnn(const Shape& s, bool graph) {
  static const bool hopper = cuda_table().compute_capability() >= 90;
  return hopper && graph && s.queries == s.keys && s.length % 64 == 0 && s.width <= 128;
}

// Backward computes the rotated Q and K again instead of keeping them.
struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv_in, std::int64_t queries,
                            std::int64_t keys, const std::optional<at::Tensor>& angles, bool graph) {
    const at::Tensor qkv = qkv_in.contiguous(), rope = angles ? *angles : at::Tensor();
    const Shape s(qkv, queries, keys);
    const Sides in = sides(qkv, s, rope);
    ctx->saved_data["queries"] = queries;
    ctx->saved_data["keys"] = keys;
    if (in.q.is_meta()) {
      const DryAttention result = dry_attention(in.q);
      ctx->save_for_backward({qkv, rope, result.out, result.lse});
      return result.out.transpose(1, 2).reshape({s.batch, s.length, queries * s.width});
    }
    const bool cudnn = by_cudnn(s, graph);
    const auto [out, lse, starts_q, starts_k, most_q, most_k, seed, offset, mask] =
        cudnn
            ? at::_scaled_dot_product_cudnn_attention(in.q, in.k, in.v, {}, /*compute_log_sumexp=*/true, 0.0,
                                                      /*is_causal=*/true)
            : at::_scaled_dot_product_flash_attention(in.q, in.k, in.v, 0.0, /*is_causal=*/true);
    ctx->save_for_backward({qkv, rope, out, lse, starts_q, starts_k, seed, offset});
    ctx->saved_data["most_q"] = most_q.expect_int();
    ctx->saved_data["most_k"] = most_k.expect_int();
    ctx->saved_data["cudnn"] = cudnn;
    return out.transpose(1, 2).reshape({s.batch, s.length, queries * s.width});
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("attention");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &qkv = saved[0], &rope = saved[1], &out = saved[2], &lse = saved[3];
    const Shape s(qkv, ctx->saved_data["queries"].toInt(), ctx->saved_data["keys"].toInt());
    const Sides in = sides(qkv, s, rope);
    const at::Tensor d_out = dy[0].contiguous().view({s.batch, s.length, s.queries, s.width}).transpose(1, 2);
    if (in.q.is_meta()) {
      const auto [dq, dk, dv] = dry_attention_backward(in.q, in.k, in.v);
      return {packed(s, rope, dq, dk, dv), {}, {}, {}, {}};
    }
    const std::int64_t most_q = ctx->saved_data["most_q"].toInt(), most_k = ctx->saved_data["most_k"].toInt();
    const auto [dq, dk, dv] =
        ctx->saved_data["cudnn"].toBool()
            ? at::_scaled_dot_product_cudnn_attention_backward(d_out, in.q, in.k, in.v, out, lse, saved[6],
                                                               saved[7], {}, saved[4], saved[5], most_q,
                                                               most_k, 0.0, /*is_causal=*/true)
            : at::_scaled_dot_product_flash_attention_backward(d_out, in.q, in.k, in.v, out, lse, saved[4],
                                                               saved[5], most_q, most_k, 0.0,
                                                               /*is_causal=*/true, saved[6], saved[7]);
    return {packed(s, rope, dq, dk, dv), {}, {}, {}, {}};
  }
};

// Attention within packed documents, by the flash kernels for sequences of varying lengths.
struct WithinDocuments : torch::autograd::Function<WithinDocuments> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv_in, std::int64_t queries,
                            std::int64_t keys, const std::optional<at::Tensor>& angles,
                            const at::Tensor& bounds, std::int64_t longest) {
    const at::Tensor qkv = qkv_in.contiguous(), rope = angles ? *angles : at::Tensor();
    const Shape s(qkv, queries, keys);
    const Sides in = sides(qkv, s, rope);
    ctx->saved_data["queries"] = queries;
    ctx->saved_data["keys"] = keys;
    ctx->saved_data["longest"] = longest;
    if (in.q.is_meta()) {
      const DryAttention result = dry_attention(in.q);
      ctx->save_for_backward({qkv, rope, result.out, result.lse, bounds});
      return result.out.transpose(1, 2).reshape({s.batch, s.length, queries * s.width});
    }
    const auto [out, lse, state, unused, mask] = at::_flash_attention_forward(
        in.rows(in.q), in.rows(in.k), in.rows(in.v), bounds, bounds, longest, longest, 0.0,
        /*is_causal=*/true, /*return_debug_mask=*/false);
    ctx->save_for_backward({qkv, rope, out, lse, bounds, state, unused});
    return out.reshape({s.batch, s.length, queries * s.width});
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("attention");
    const auto saved = ctx->get_saved_variables();
    const Shape s(saved[0], ctx->saved_data["queries"].toInt(), ctx->saved_data["keys"].toInt());
    const std::int64_t longest = ctx->saved_data["longest"].toInt();
    const Sides in = sides(saved[0], s, saved[1]);
    const at::Tensor d_out = dy[0].contiguous().view({s.batch * s.length, s.queries, s.width});
    if (in.q.is_meta()) {
      const auto [dq, dk, dv] = dry_attention_backward(in.q, in.k, in.v);
      return {packed(s, saved[1], dq, dk, dv), {}, {}, {}, {}, {}};
    }
    const auto [dq, dk, dv] = at::_flash_attention_backward(
        d_out, in.rows(in.q), in.rows(in.k), in.rows(in.v), saved[2], saved[3], saved[4], saved[4], longest,
        longest, 0.0, /*is_causal=*/true, saved[5], saved[6]);
    const auto whole = [&](const at::Tensor& d) {
      return d.view({s.batch, s.length, d.size(1), s.width}).transpose(1, 2);
    };
    return {packed(s, saved[1], whole(dq), whole(dk), whole(dv)), {}, {}, {}, {}, {}};
  }
};

bool takes_flash(std::int64_t head_width, at::ScalarType dtype) {
  return dtype != at::kFloat && head_width % 8 == 0;
}

// For fp32 and odd widths, which the flash kernels do not support: LibTorch chooses among the kernels
// that hold no [T, T].
at::Tensor by_framework(const at::Tensor& qkv, const Shape& s, const at::Tensor& rope) {
  at::Tensor q = heads_of(qkv, s, 0, s.queries), k = heads_of(qkv, s, s.queries, s.keys),
             v = heads_of(qkv, s, s.queries + s.keys, s.keys);
  if (s.queries != s.keys)
    for (at::Tensor* side : {&k, &v}) *side = side->repeat_interleave(s.queries / s.keys, 2);
  if (rope.defined()) q = rotate(q, rope), k = rotate(k, rope);
  q = q.transpose(1, 2), k = k.transpose(1, 2), v = v.transpose(1, 2);
  at::globalContext().setSDPUseMath(false);
  const at::Tensor out = qkv.is_meta()
                             ? dry_framework_attention(q, k, v)
                             : at::scaled_dot_product_attention(q, k, v, {}, 0.0, /*is_causal=*/true);
  return out.transpose(1, 2).reshape({s.batch, s.length, s.queries * s.width});
}

}  // namespace

at::Tensor attention(const at::Tensor& qkv, AttentionHeads heads, const at::Tensor& rope,
                     const Documents& documents) {
  const Shape s(qkv, heads.query, heads.key);
  const auto given = rope.defined() ? std::optional(rope) : std::nullopt;
  if (qkv.numel() == 0) return qkv.new_empty({s.batch, s.length, s.queries * s.width});
  if (documents.defined()) {
    require_documents_on_gpu(s.width, qkv.scalar_type());
    return WithinDocuments::apply(qkv, heads.query, heads.key, given, documents.bounds, documents.longest);
  }
  if (!takes_flash(s.width, qkv.scalar_type())) return by_framework(qkv, s, rope);
  return Attention::apply(qkv, heads.query, heads.key, given,
                          c10::GradMode::is_enabled() && qkv.requires_grad());
}

}  // namespace ebb::numerics::gpu

void ebb::numerics::require_documents_on_gpu(std::int64_t head_width, at::ScalarType dtype) {
  if (gpu::takes_flash(head_width, dtype)) return;
  throw Error(
      ExitCode::usage,
      fmt::format("attention within documents (model.document_end), heads {} wide in {}: a GPU needs 16 "
                  "bits and widths that are multiples of 8. Set precision.dtype=bf16, "
                  "model.document_end=auto, or run.device=cpu",
                  head_width, c10::toString(dtype)));
}
