// SPDX-License-Identifier: Apache-2.0
#include "models/generate.h"

#include <gmock/gmock.h>

#include <array>
#include <cmath>

#include "base/error.h"

namespace ebb::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Counts up: t + 1 follows token t, whatever the tokens before it, in a vocabulary of 8.
class Counting final : public TextSampler {
 public:
  [[nodiscard]] std::int64_t context() const override { return 6; }
  [[nodiscard]] std::int64_t vocabulary() const override { return 8; }
  [[nodiscard]] KeyValueCache begin(std::int64_t) const override { return {}; }
  at::Tensor next(const at::Tensor& tokens, KeyValueCache& cache, core::UnitRunner&) override {
    given.push_back(tokens.size(0));
    cache.length += tokens.size(0);
    EXPECT_LE(cache.length, context());
    at::Tensor logits = at::zeros({8});
    logits[(tokens[tokens.size(0) - 1].item<std::int64_t>() + 1) % 8] = 10;
    return logits;
  }
  std::vector<std::int64_t> given;
};

class Generate : public ::testing::Test {
 protected:
  std::vector<std::int64_t> from(std::vector<std::int64_t> prompt, const TextOptions& options,
                                 std::size_t enough = 100) {
    std::vector<std::int64_t> out;
    generate(model_, prompt, options, runner_, [&](std::int64_t token) {
      out.push_back(token);
      return out.size() < enough;
    });
    return out;
  }
  Counting model_;
  core::PlainRunner runner_;
};

TEST_F(Generate, ContinuesThePromptTokenByToken) {
  EXPECT_THAT(from({2, 3}, {.sampling = {.temperature = 0}, .tokens = 3}), ElementsAre(4, 5, 6));
  EXPECT_THAT(model_.given, ElementsAre(2, 1, 1));
}

TEST_F(Generate, EndsAtTheStopTokenOrWhenEmitReturnsFalse) {
  EXPECT_THAT(from({3}, {.sampling = {.temperature = 0}, .tokens = 9, .stop = 6}), ElementsAre(4, 5));
  EXPECT_THAT(from({3}, {.sampling = {.temperature = 0}, .tokens = 9}, 1), ElementsAre(4));
}

TEST_F(Generate, ContinuesBeyondTheContext) {
  EXPECT_THAT(from({0, 1, 2, 3}, {.sampling = {.temperature = 0}, .tokens = 8}),
              ElementsAre(4, 5, 6, 7, 0, 1, 2, 3));
  // 4 tokens, then 1 and 1, fill the context of 6. The model continues from the last 3.
  EXPECT_THAT(model_.given, ElementsAre(4, 1, 1, 3, 1, 1, 1, 3));
}

TEST_F(Generate, RefusesAnInvalidPrompt) {
  const auto refusal = [&](const std::vector<std::int64_t>& prompt) -> std::string {
    try {
      from(prompt, {});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal({}), HasSubstr("empty"));
  EXPECT_THAT(refusal({1, 1, 1, 1, 1, 1, 1}), HasSubstr("7 tokens, but the context of the model has 6"));
  EXPECT_THAT(refusal({1, 8}), HasSubstr("token 8"));
}

std::array<double, 4> shares(const TokenSampling& sampling) {
  const at::Tensor logits = at::tensor({0.5, 0.1, 0.3, 0.1}).log().to(at::kFloat);
  std::array<double, 4> counts{};
  constexpr int kSamples = 20000;
  for (int i = 0; i < kSamples; ++i)
    ++counts[static_cast<std::size_t>(sample_token(logits, sampling, static_cast<std::uint64_t>(i)))];
  for (double& count : counts) count /= kSamples;
  return counts;
}

TEST(SampleToken, FollowsTheProbabilities) {
  const auto plain = shares({});
  EXPECT_NEAR(plain[0], 0.5, 0.015);
  EXPECT_NEAR(plain[2], 0.3, 0.015);
  EXPECT_NEAR(plain[3], 0.1, 0.015);
  // At temperature 1/2 probabilities are squared: 25, 1, 9, 1 of 36.
  const auto cool = shares({.temperature = 0.5});
  EXPECT_NEAR(cool[0], 25.0 / 36, 0.015);
  EXPECT_NEAR(cool[2], 9.0 / 36, 0.015);
}

TEST(SampleToken, TopKAndTopPKeepTheMostProbable) {
  EXPECT_EQ(shares({.temperature = 0})[0], 1.0);
  const auto two = shares({.top_k = 2});
  EXPECT_NEAR(two[0], 0.5 / 0.8, 0.015);
  EXPECT_EQ(two[1] + two[3], 0.0);
  const auto most = shares({.top_p = 0.6});  // 0.5 alone is less, 0.5 and 0.3 are enough
  EXPECT_NEAR(most[2], 0.3 / 0.8, 0.015);
  EXPECT_EQ(most[1] + most[3], 0.0);
  EXPECT_EQ(shares({.top_p = 0})[0], 1.0);
}

TEST(SampleToken, RefusesLogitsThatAreNotFinite) {
  at::Tensor logits = at::zeros({4});
  logits[2] = NAN;
  EXPECT_THROW(sample_token(logits, {}, 7), Error);
}

TEST(SampleToken, DependsOnlyOnSeedAndPosition) {
  const at::Tensor logits = at::zeros({1000});
  EXPECT_EQ(sample_token(logits, {.seed = 1}, 5), sample_token(logits, {.seed = 1}, 5));
  EXPECT_NE(sample_token(logits, {.seed = 1}, 5), sample_token(logits, {.seed = 2}, 5));
  EXPECT_NE(sample_token(logits, {.seed = 1}, 5), sample_token(logits, {.seed = 1}, 6));
}

}  // namespace
}  // namespace ebb::models
