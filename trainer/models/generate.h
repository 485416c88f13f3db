// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "models/sampler.h"

namespace ebb::models {

// The rule that draws a token from the probabilities of the model.
struct TokenSampling {
  double temperature = 1;  // 0: always the most probable token
  std::int64_t top_k = 0;  // draw from this many of the most probable tokens; 0: from all
  // Draw from the smallest set of tokens with this total probability (Holtzman et al., 2020).
  double top_p = 1;
  std::uint64_t seed = 0;
};

// One token: a pure function of the logits [V] fp32, `sampling` and the token's position in the text.
// Error(numerics) if a logit is not finite.
std::int64_t sample_token(const at::Tensor& logits, const TokenSampling& sampling, std::uint64_t position);

struct TextOptions {
  TokenSampling sampling;
  std::int64_t tokens = 256;                        // maximum number to generate
  std::optional<std::int64_t> stop = std::nullopt;  // ends the text and is not emitted
};

// Error(usage) if `prompt` is empty, longer than the context, or holds a number outside the vocabulary.
void check_prompt(const TextSampler& model, std::span<const std::int64_t> prompt);

// Continues `prompt`, which check_prompt() accepts, and passes one token at a time to `emit`. Ends after
// `options.tokens`, at `stop`, or when `emit` returns false. If the text outgrows the context, the model
// continues from the last half of it.
void generate(TextSampler& model, std::span<const std::int64_t> prompt, const TextOptions& options,
              core::UnitRunner& runner, const std::function<bool(std::int64_t token)>& emit);

}  // namespace ebb::models
