#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "models/sampler.h"

namespace ebb::models {

// How a token is drawn of the model's probabilities.
struct TokenDraw {
  double temperature = 1;  // 0: always the most probable one
  std::int64_t top_k = 0;  // of so many of the most probable ones; 0: of all
  double top_p = 1;        // of the fewest that have this probability together (Holtzman et al., 2020)
  std::uint64_t seed = 0;
};

// One token: a pure function of the logits [V] fp32, `draw` and the token's place in the text. Logits that
// are not finite: Error(numerics).
std::int64_t draw_token(const at::Tensor& logits, const TokenDraw& draw, std::uint64_t place);

struct TextOptions {
  TokenDraw draw;
  std::int64_t tokens = 256;                        // at most so many
  std::optional<std::int64_t> stop = std::nullopt;  // ends the text, and is not a part of it
};

// Error(usage) where `prompt` is empty, longer than the context, or holds what is no token of the vocabulary.
void check_prompt(const TextSampler& model, std::span<const std::int64_t> prompt);

// What follows `prompt` (as check_prompt takes it), a token at a time to `emit`, until `options.tokens` or
// `stop`, or until `emit` returns false. A text that outgrows the context goes on from its last half.
void generate(TextSampler& model, std::span<const std::int64_t> prompt, const TextOptions& options,
              core::UnitRunner& runner, const std::function<bool(std::int64_t token)>& emit);

}  // namespace ebb::models
