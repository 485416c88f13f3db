// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/error.h"
#include "models/gpt_under_test.h"

namespace ebb::models {
namespace {

using testing::make;
using testing::Reference;
using testing::tiny;

class Decoding : public ::testing::TestWithParam<GptArchitecture> {};

// Each token after the first five is decoded alone, with the cache of the tokens before it.
void expect_as_a_full_pass(const GptConfig& config, const at::Tensor& text) {
  const auto model = make(config);
  TextSampler& sampler = *model->text_sampler();
  core::PlainRunner runner;
  const at::NoGradGuard no_grad;
  const at::Tensor expected = Reference(*model, config).logits(text.unsqueeze(0))[0];
  KeyValueCache cache = sampler.begin(16);
  for (std::int64_t length = 5; length <= 16; ++length) {
    const at::Tensor given = length == 5 ? text.narrow(0, 0, 5) : text.narrow(0, length - 1, 1);
    const at::Tensor logits = sampler.next(given, cache, runner);
    EXPECT_EQ(cache.length, length);
    EXPECT_LT((logits - expected[length - 1]).abs().max().item<double>(),
              1e-4 * expected[length - 1].abs().max().item<double>())
        << length;
  }
  EXPECT_THROW(sampler.next(text.narrow(0, 0, 1), cache, runner), Error);
}

at::Tensor random_text() {
  at::manual_seed(11);
  return at::randint(0, 36, {16}, at::kLong);
}

TEST_P(Decoding, GivesTheLogitsOfAFullForwardPass) {
  expect_as_a_full_pass(tiny(GetParam()), random_text());
}

TEST_P(Decoding, StaysWithinTheDocument) {
  GptConfig config = tiny(GetParam());
  config.document_end = 36;
  for (const std::vector<std::int64_t>& ends : {std::vector<std::int64_t>{}, {2}, {4}, {5, 9}, {0, 15}}) {
    const at::Tensor text = random_text();
    for (const std::int64_t at : ends) text[at] = 36;
    expect_as_a_full_pass(config, text);
  }
}

TEST_P(Decoding, SixteenBitLogitsAreCloseToFp32) {
  const GptConfig config = tiny(GetParam());
  core::PlainRunner runner;
  const at::Tensor text = at::arange(8, at::kLong);
  const auto logits = [&](numerics::Dtype dtype) {
    const auto model = make(config, dtype);
    TextSampler& sampler = *model->text_sampler();
    KeyValueCache cache = sampler.begin(16);
    (void)sampler.next(text.narrow(0, 0, 7), cache, runner);
    return sampler.next(text.narrow(0, 7, 1), cache, runner);
  };
  const at::Tensor full = logits(numerics::Dtype::fp32);
  const double size = full.abs().max().item<double>();
  EXPECT_LT((logits(numerics::Dtype::fp16) - full).abs().max().item<double>(), 1e-2 * size);
  EXPECT_LT((logits(numerics::Dtype::bf16) - full).abs().max().item<double>(), 8e-2 * size);
}

INSTANTIATE_TEST_SUITE_P(Architectures, Decoding,
                         ::testing::Values(GptArchitecture::gpt2, GptArchitecture::llama),
                         [](const auto& info) {
                           return info.param == GptArchitecture::gpt2 ? "Gpt2" : "Llama";
                         });

}  // namespace
}  // namespace ebb::models
