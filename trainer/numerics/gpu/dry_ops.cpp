// SPDX-License-Identifier: Apache-2.0
#include "numerics/gpu/dry_ops.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "base/round_up.h"
#include "memory/ledger.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics::gpu {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kQueriesOfABlock = 128;  // the kernels round T up to a multiple of it
constexpr std::int64_t kIdsOfAPart = 10;        // equal ids that one thread sums
constexpr std::int64_t kFewIds = 3072;          // up to here, a kernel without workspace
constexpr std::int64_t kLargestFullWidth = 192;

// The width that sums of a head have in memory.
std::int64_t padded_width(std::int64_t width) {
  return width <= kLargestFullWidth ? round_up(width, 32) : 256;
}

at::Tensor workspace(at::IntArrayRef shape, at::ScalarType type, const at::Tensor& like) {
  const memory::Tag tag(memory::Class::workspace, "framework kernels");
  return at::empty(shape, at::TensorOptions().dtype(type).device(like.device()));
}

// [B, heads, T, D] of [B, T, heads, D] storage, for sides of [B, heads, T, D].
at::Tensor like_side(const at::Tensor& side) {
  return at::empty({side.size(0), side.size(2), side.size(1), side.size(3)}, side.options()).transpose(1, 2);
}

struct FrameworkAttention : torch::autograd::Function<FrameworkAttention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v) {
    const DryAttention result = dry_attention(q);
    ctx->save_for_backward({q, k, v, result.out, result.lse});
    return result.out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list /*dy*/) {
    refuse_second_derivative("attention");
    const auto saved = ctx->get_saved_variables();
    const auto [dq, dk, dv] = dry_attention_backward(saved[0], saved[1], saved[2]);
    return {dq, dk, dv};
  }
};

struct FrameworkEmbedding : torch::autograd::Function<FrameworkEmbedding> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& table, const at::Tensor& ids) {
    ctx->save_for_backward({ids});
    ctx->saved_data["rows"] = table.size(0);
    std::vector<std::int64_t> shape = ids.sizes().vec();
    shape.push_back(table.size(1));
    return at::empty(shape, table.options());
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("embedding");
    const std::int64_t count = ctx->get_saved_variables()[0].numel(), rows = ctx->saved_data["rows"].toInt();
    const std::int64_t width = dy[0].size(-1);
    const at::Tensor gradient = at::zeros({rows, width}, dy[0].options());
    if (count <= kFewIds) return {gradient, {}};
    const at::Tensor ids = workspace({count}, at::kLong, dy[0]),
                     places = workspace({count}, at::kLong, dy[0]);
    const at::Tensor sorting = workspace({2, count}, at::kLong, dy[0]);
    const at::Tensor offsets = workspace({count}, at::kLong, dy[0]);
    const std::int64_t parts = std::min(rows, count) + count / kIdsOfAPart;
    const at::Tensor of_parts = workspace({3, parts}, at::kLong, dy[0]);
    const at::Tensor sums = workspace({parts, width}, at::kFloat, dy[0]);
    return {gradient, {}};
  }
};

}  // namespace

DryAttention dry_attention(const at::Tensor& q) {
  return {like_side(q), at::empty({q.size(0), q.size(1), q.size(2)}, q.options().dtype(at::kFloat))};
}

std::array<at::Tensor, 3> dry_attention_backward(const at::Tensor& q, const at::Tensor& k,
                                                 const at::Tensor& v) {
  const std::array<at::Tensor, 3> gradients{like_side(q), like_side(k), like_side(v)};
  const std::int64_t batch = q.size(0), heads = q.size(1), length = round_up(q.size(2), kQueriesOfABlock);
  const at::Tensor products = workspace({batch, heads, length}, at::kFloat, q);  // of dy and out
  const at::Tensor sums = workspace({batch, heads, length, padded_width(q.size(3))}, at::kFloat, q);
  at::Tensor dk, dv;  // of each head of q
  if (k.size(1) < heads) {
    dk = workspace({batch, k.size(2), heads, q.size(3)}, k.scalar_type(), k);
    dv = workspace({batch, k.size(2), heads, q.size(3)}, k.scalar_type(), k);
  }
  return gradients;
}

at::Tensor dry_framework_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return FrameworkAttention::apply(q, k, v);
}

at::Tensor dry_embedding(const at::Tensor& table, const at::Tensor& ids) {
  return FrameworkEmbedding::apply(table, ids);
}

}  // namespace ebb::numerics::gpu
