// SPDX-License-Identifier: Apache-2.0
#include "numerics/attention.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "memory/ledger.h"
#include "numerics/cpu/attention.h"
#include "numerics/gpu/ops.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Attention : torch::autograd::Function<Attention> {
  static cpu::AttentionShape shape(const at::Tensor& qkv, std::int64_t queries, std::int64_t keys) {
    return {qkv.size(0), qkv.size(1), queries, keys, qkv.size(2) / (queries + 2 * keys)};
  }
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv_in, std::int64_t queries,
                            std::int64_t keys, const std::optional<at::Tensor>& angles,
                            const std::optional<at::Tensor>& first_seen) {
    const at::Tensor rope = angles ? *angles : at::Tensor(), starts = first_seen ? *first_seen : at::Tensor();
    const at::Tensor qkv = qkv_in.contiguous();
    const auto result = cpu::attention_forward(shape(qkv, queries, keys), qkv, rope, starts);
    ctx->save_for_backward({qkv, rope, starts, result.out, result.lse});
    ctx->saved_data["queries"] = queries;
    ctx->saved_data["keys"] = keys;
    return result.out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("attention");
    const auto saved = ctx->get_saved_variables();
    const auto s = shape(saved[0], ctx->saved_data["queries"].toInt(), ctx->saved_data["keys"].toInt());
    return {
        cpu::attention_backward(s, dy[0].contiguous(), saved[0], saved[1], saved[2], {saved[3], saved[4]}),
        {},
        {},
        {},
        {}};
  }
};

void check_starts(const at::Tensor& starts, const at::Tensor& qkv) {
  if (starts.sizes() != qkv.sizes().slice(0, 2) || starts.scalar_type() != at::kLong ||
      !starts.is_contiguous())
    throw Error(ExitCode::internal,
                fmt::format("attention: starts [{}] {} do not fit qkv [{}]", fmt::join(starts.sizes(), ", "),
                            c10::toString(starts.scalar_type()), fmt::join(qkv.sizes(), ", ")));
  if (starts.is_meta()) return;
  const std::int64_t* const start = starts.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < starts.numel(); ++i)
    if (start[i] < 0 || start[i] > i % starts.size(1))
      throw Error(ExitCode::internal, fmt::format("attention: position {} would attend from {} on",
                                                  i % starts.size(1), start[i]));
}

}  // namespace

at::Tensor attention(const at::Tensor& qkv, AttentionHeads heads, const at::Tensor& rope,
                     const Documents& documents) {
  const at::Tensor& starts = documents.starts;
  const bool divides = heads.key > 0 && heads.query % heads.key == 0;
  const std::int64_t all = heads.query + 2 * heads.key;
  if (!divides || qkv.dim() != 3 || qkv.size(2) % all != 0 || qkv.size(2) / all > cpu::kMaxHeadWidth)
    throw Error(
        ExitCode::internal,
        fmt::format("attention: qkv [{}] cannot be {} heads of Q sharing {} of K and V, at most {} wide",
                    fmt::join(qkv.sizes(), ", "), heads.query, heads.key, cpu::kMaxHeadWidth));
  const std::int64_t width = qkv.size(2) / all;
  if (rope.defined() && (width % 2 != 0 || rope.scalar_type() != at::kFloat || !rope.is_contiguous() ||
                         rope.sizes() != at::IntArrayRef({2, qkv.size(1), width / 2})))
    throw Error(
        ExitCode::internal,
        fmt::format("attention: rope [{}] {} does not fit {} positions of heads {} wide",
                    fmt::join(rope.sizes(), ", "), c10::toString(rope.scalar_type()), qkv.size(1), width));
  if (starts.defined()) check_starts(starts, qkv);
  if (on_gpu(qkv)) return gpu::attention(qkv, heads, rope, documents);
  const auto given = [](const at::Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; };
  return Attention::apply(qkv, heads.query, heads.key, given(rope), given(starts));
}

Documents documents_of(const at::Tensor& tokens, std::int64_t end, at::Device device) {
  if (tokens.is_meta()) {
    if (!on_gpu(device)) return {at::empty(tokens.sizes(), tokens.options().dtype(at::kLong)), {}, 0};
    const auto counts = at::TensorOptions().dtype(at::kInt).device(device);
    // As if each row were one document.
    return {at::zeros(tokens.sizes(), at::kLong), at::empty({tokens.size(0) + 1}, counts), tokens.size(1)};
  }
  const at::Tensor ids = tokens.to(at::kCPU, at::kLong).contiguous();
  Documents found{at::empty(ids.sizes(), ids.options()), {}, 0};
  const std::int64_t* const id = ids.const_data_ptr<std::int64_t>();
  std::int64_t* const start = found.starts.mutable_data_ptr<std::int64_t>();
  const std::int64_t length = ids.size(1);
  std::vector<std::int32_t> bounds;
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    const std::int64_t t = i % length;
    start[i] = id[i] == end ? t : (t == 0 ? 0 : start[i - 1]);
    if (start[i] == t) bounds.push_back(static_cast<std::int32_t>(i));
    found.longest = std::max(found.longest, t - start[i] + 1);
  }
  if (!device.is_cuda()) return found;
  bounds.push_back(static_cast<std::int32_t>(ids.numel()));
  found.bounds =
      at::from_blob(bounds.data(), {static_cast<std::int64_t>(bounds.size())}, at::kInt).to(device);
  return found;
}

}  // namespace ebb::numerics
