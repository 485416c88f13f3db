// SPDX-License-Identifier: Apache-2.0
#include "models/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/philox.h"

namespace ebb::models {

namespace {

at::Tensor tensor_of(std::span<const std::int64_t> tokens) {
  const at::Tensor out = at::empty({static_cast<std::int64_t>(tokens.size())}, at::kLong);
  std::ranges::copy(tokens, out.mutable_data_ptr<std::int64_t>());
  return out;
}

// Tokens by descending probability; on ties, the smaller id first. Sorts only as far as it is read: a draw
// seldom reads past the first hundred.
class Ranked {
 public:
  explicit Ranked(std::span<const float> values) : values_(values), order_(values.size()) {
    std::iota(order_.begin(), order_.end(), 0);
  }
  std::int64_t operator[](std::size_t rank) {
    while (rank >= sorted_) {
      const std::size_t next = std::min(order_.size(), std::max<std::size_t>(128, 4 * sorted_));
      std::partial_sort(at(sorted_), at(next), order_.end(), [this](std::int64_t a, std::int64_t b) {
        const float x = values_[static_cast<std::size_t>(a)], y = values_[static_cast<std::size_t>(b)];
        return x > y || (x == y && a < b);
      });
      sorted_ = next;
    }
    return order_[rank];
  }

 private:
  std::vector<std::int64_t>::iterator at(std::size_t i) {
    return order_.begin() + static_cast<std::ptrdiff_t>(i);
  }
  std::span<const float> values_;
  std::vector<std::int64_t> order_;
  std::size_t sorted_ = 0;
};

}  // namespace

void check_prompt(const TextSampler& model, std::span<const std::int64_t> prompt) {
  if (prompt.empty()) throw Error(ExitCode::usage, "the prompt is empty: give at least one token");
  if (std::ssize(prompt) > model.context())
    throw Error(
        ExitCode::usage,
        fmt::format("the prompt has {} tokens, but the context of the model has {}: shorten the prompt",
                    prompt.size(), model.context()));
  for (const std::int64_t token : prompt)
    if (token < 0 || token >= model.vocabulary())
      throw Error(ExitCode::usage,
                  fmt::format("the prompt has the token {}, but the vocabulary of the model has {}", token,
                              model.vocabulary()));
}

std::int64_t sample_token(const at::Tensor& logits, const TokenSampling& sampling, std::uint64_t position) {
  const std::span<const float> values(logits.const_data_ptr<float>(),
                                      static_cast<std::size_t>(logits.numel()));
  if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); }))
    throw Error(ExitCode::numerics,
                fmt::format("the logits of token {} are not finite: the weights have diverged", position));
  const std::size_t count =
      sampling.top_k > 0 ? std::min(values.size(), static_cast<std::size_t>(sampling.top_k)) : values.size();
  Ranked ranked(values);
  if (sampling.temperature == 0) return ranked[0];
  const double highest = values[static_cast<std::size_t>(ranked[0])];
  const auto weight = [&](std::int64_t token) {
    return std::exp((static_cast<double>(values[static_cast<std::size_t>(token)]) - highest) /
                    sampling.temperature);
  };
  double sum = 0;
  for (std::size_t i = 0; i < values.size() && count == values.size(); ++i)
    sum += weight(static_cast<std::int64_t>(i));
  for (std::size_t i = 0; i < count && count < values.size(); ++i) sum += weight(ranked[i]);
  double kept = sampling.top_p < 1 ? 0 : sum;
  std::size_t last = sampling.top_p < 1 ? 0 : count;  // one past the last candidate
  while (last < count && (last == 0 || kept < sampling.top_p * sum)) kept += weight(ranked[last++]);
  const auto bits = random_bits(sampling.seed, RandomStream::sampling, position, 0);
  // Uniform in [0, 1), with 53 bits.
  const double u = static_cast<double>((std::uint64_t{bits[0]} << 32 | bits[1]) >> 11) * 0x1p-53 * kept;
  double passed = 0;
  for (std::size_t i = 0; i + 1 < last; ++i) {
    passed += weight(ranked[i]);
    if (u < passed) return ranked[i];
  }
  return ranked[last - 1];
}

void generate(TextSampler& model, std::span<const std::int64_t> prompt, const TextOptions& options,
              core::UnitRunner& runner, const std::function<bool(std::int64_t)>& emit) {
  check_prompt(model, prompt);
  std::vector<std::int64_t> text(prompt.begin(), prompt.end());
  KeyValueCache cache = model.begin(std::min(model.context(), std::ssize(prompt) + options.tokens));
  std::size_t given = 0;  // tokens of the text that are in the cache
  for (std::int64_t i = 0; i < options.tokens; ++i) {
    if (cache.length + static_cast<std::int64_t>(text.size() - given) > model.context()) {
      cache.length = 0;
      given = text.size() - static_cast<std::size_t>(std::max<std::int64_t>(model.context() / 2, 1));
    }
    const at::Tensor logits = model.next(tensor_of(std::span(text).subspan(given)), cache, runner);
    given = text.size();
    const std::int64_t token = sample_token(logits, options.sampling, text.size());
    if (token == options.stop || !emit(token)) return;
    text.push_back(token);
  }
}

}  // namespace ebb::models
