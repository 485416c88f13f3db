// SPDX-License-Identifier: Apache-2.0
// Decoding: one token at a time, over the keys and values of the tokens before it.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "memory/ledger.h"
#include "models/gpt/gpt.h"
#include "models/gpt/parameter_reader.h"
#include "numerics/ops.h"

namespace ebb::models {

KeyValueCache Gpt::begin(std::int64_t tokens) const {
  const memory::Tag tag(memory::Class::activations, "key-value cache");
  KeyValueCache cache;
  for (std::int64_t layer = 0; layer < config_.layers; ++layer)
    for (auto* of : {&cache.keys, &cache.values})
      of->push_back(
          at::empty({std::min(tokens, context_), config_.attention_heads().key, config_.head_width()},
                    at::TensorOptions().dtype(dtype_).device(device_)));
  return cache;
}

at::Tensor Gpt::attend_cached(const at::Tensor& qkv, const at::Tensor& rope, const at::Tensor& keys,
                              const at::Tensor& values, std::int64_t seen,
                              const numerics::Documents& documents) const {
  const auto heads = config_.attention_heads();
  const std::int64_t n = qkv.size(1), width = config_.head_width();
  const auto parts = qkv[0].view({n, -1, width}).split({heads.query, heads.key, heads.key}, 1);
  const auto turned = [&](const at::Tensor& x) { return rope.defined() ? numerics::rotate(x, rope) : x; };
  keys.narrow(0, seen, n).copy_(turned(parts[1]));
  values.narrow(0, seen, n).copy_(parts[2]);
  if (seen == 0) return numerics::attention(qkv, heads, rope, documents);
  const std::int64_t first = documents.defined() ? documents.starts[0][0].item<std::int64_t>() : 0,
                     count = seen + 1 - first;
  // One query against all positions of its document: [key/value heads, queries of each, positions].
  const at::Tensor q = turned(parts[0]).to(at::kFloat).view({heads.key, heads.query / heads.key, width});
  const at::Tensor k = keys.narrow(0, first, count).to(at::kFloat).permute({1, 2, 0});
  const at::Tensor v = values.narrow(0, first, count).to(at::kFloat).transpose(0, 1);
  const at::Tensor scores = at::bmm(q, k) / std::sqrt(static_cast<double>(width));
  return at::bmm(scores.softmax(-1), v).reshape({1, 1, heads.query * width}).to(dtype_);
}

at::Tensor Gpt::next(const at::Tensor& tokens, KeyValueCache& cache, core::UnitRunner& runner) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "sample");
  const std::int64_t n = tokens.size(0), first = cache.length;
  if (n < 1 || (first > 0 && n != 1) || first + n > cache.keys.front().size(0))
    throw Error(ExitCode::internal, fmt::format("{} tokens after {} do not fit in a cache for {}", n, first,
                                                cache.keys.front().size(0)));
  at::Tensor rope;
  if (config_.is_llama())
    rope = numerics::rope_table(n, config_.head_width(), config_.rope_theta, config_.rope, first).to(device_);
  const numerics::Documents documents = documents_of(tokens.unsqueeze(0));
  if (documents.defined()) {
    // A token in a cache that is not empty belongs to the last token's document, or begins the next.
    if (first > 0)
      documents.starts.fill_(tokens[0].item<std::int64_t>() == *config_.document_end ? first
                                                                                     : cache.document);
    cache.document = documents.starts[0][n - 1].item<std::int64_t>();
  }
  Residual x = embed(tokens.unsqueeze(0).to(device_), first, runner);
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer)
    x = block(
        blocks_[layer], x,
        [this, rope, keys = cache.keys[layer], values = cache.values[layer], first, documents](
            const at::Tensor& qkv) { return attend_cached(qkv, rope, keys, values, first, documents); },
        runner);
  cache.length += n;
  using Tensors = core::UnitRunner::Tensors;
  const Tensors logits = runner.run(
      head_, [this](const Tensors& input) -> Tensors { return {last_logits(Residual::of(input))}; },
      x.tensors());
  return on_host(logits[0]);
}

// In fp32, a part of the vocabulary at a time. Rounding to 16 bits would make close logits equal.
at::Tensor Gpt::last_logits(const Residual& x) const {
  ParameterReader p(head_);
  const auto last = [](const at::Tensor& t) { return t.narrow(1, t.size(1) - 1, 1).contiguous(); };
  const at::Tensor low = x.low.defined() ? last(x.low) : at::Tensor();
  const at::Tensor h = norm_of({last(x.sum), last(x.added), low}, p).norm.view({1, -1}).to(at::kFloat),
                   logits = at::empty({config_.vocabulary}, h.options());
  constexpr std::int64_t kColumns = 4096;
  for (std::int64_t column = 0; column < config_.vocabulary; column += kColumns) {
    const std::int64_t columns = std::min(kColumns, config_.vocabulary - column);
    logits.narrow(0, column, columns)
        .copy_(numerics::linear(h, head_weight().narrow(0, column, columns).to(at::kFloat), {}).view({-1}));
  }
  return logits;
}

}  // namespace ebb::models
