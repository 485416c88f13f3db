// SPDX-License-Identifier: Apache-2.0
#include "models/gpt/gpt.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "models/gpt_under_test.h"

namespace ebb::models {
namespace {

using testing::batch_of;
using testing::make;
using testing::Reference;
using testing::tiny;

at::Tensor loss_of(Model& model, const core::Batch& batch) {
  core::PlainRunner runner;
  return model.phases().front()->forward(batch, runner).loss;
}

// Gradient of every parameter; the model's own are dropped.
std::map<std::string, at::Tensor> gradients(Model& model, const at::Tensor& loss) {
  loss.backward();
  std::map<std::string, at::Tensor> all;
  for (auto& [name, tensor] : model.state().tensors) {
    all[name] = tensor.grad().clone();
    tensor.mutable_grad().reset();
  }
  return all;
}

class GptOfArchitecture : public ::testing::TestWithParam<GptArchitecture> {};

void expect_as_framework(const GptConfig& config) {
  const auto model = make(config);
  const at::Tensor ours = loss_of(*model, batch_of(0, 6, 6));
  const auto found = gradients(*model, ours);
  const at::Tensor theirs = Reference(*model, config).loss(batch_of(0, 6, 6));
  EXPECT_NEAR(ours.item<double>(), theirs.item<double>(), 1e-5 * theirs.item<double>());
  const auto expected = gradients(*model, theirs);
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, gradient] : expected) {
    const double size = gradient.norm().item<double>();
    ASSERT_GT(size, 0) << name;
    // A key's bias shifts all scores of a row equally, so its gradient is 0 up to rounding.
    const double bound = name.ends_with("qkv.bias") ? 1e-4 : 1e-5;
    EXPECT_LT((found.at(name) - gradient).norm().item<double>(), bound * size) << name;
  }
}

TEST_P(GptOfArchitecture, LossAndGradientsMatchTheFramework) {
  expect_as_framework(tiny(GetParam()));
}

TEST_P(GptOfArchitecture, LossAndGradientsMatchWithDocumentsAndZLoss) {
  GptConfig config = tiny(GetParam());
  config.document_end =
      batch_of(0, 6, 6).field(core::kTokensField)[0][4].item<std::int64_t>();  // it occurs at least once
  config.z_loss = 0.01;
  expect_as_framework(config);
  // The test loss does not include it.
  const at::NoGradGuard no_grad;
  const auto model = make(config);
  const double with = Reference(*model, config).loss(batch_of(0, 6, 6)).item<double>();
  config.z_loss = 0;
  const double without = Reference(*model, config).loss(batch_of(0, 6, 6)).item<double>();
  EXPECT_GT(with, 1.001 * without);
  EXPECT_NEAR(loss_of(*model, batch_of(0, 6, 6)).item<double>(), without, 1e-5 * without);
}

TEST_P(GptOfArchitecture, LossesOfMicroBatchesSumToTheBatch) {
  const auto model = make(tiny(GetParam()));
  const double whole = loss_of(*model, batch_of(0, 8, 8)).item<double>();
  const double parts =
      loss_of(*model, batch_of(0, 3, 8)).item<double>() + loss_of(*model, batch_of(3, 5, 8)).item<double>();
  EXPECT_NEAR(parts, whole, 1e-5 * whole);
}

TEST_P(GptOfArchitecture, SixteenBitLossIsCloseToFp32) {
  const GptConfig config = tiny(GetParam());
  const double full = loss_of(*make(config), batch_of(0, 8, 8)).item<double>();
  for (const auto& [dtype, bound] : {std::pair{numerics::Dtype::fp16, 2e-3}, {numerics::Dtype::bf16, 2e-2}}) {
    const auto model = make(config, dtype);
    const at::Tensor loss = loss_of(*model, batch_of(0, 8, 8));
    EXPECT_NEAR(loss.item<double>(), full, bound * full);
    for (const auto& [name, gradient] : gradients(*model, loss)) {
      EXPECT_EQ(gradient.scalar_type(), numerics::scalar_type(dtype)) << name;
      EXPECT_TRUE(at::isfinite(gradient).all().item<bool>()) << name;
    }
  }
}

// The gradients of all parameters in one, in fp64.
at::Tensor flat(const std::map<std::string, at::Tensor>& gradients) {
  std::vector<at::Tensor> parts;
  parts.reserve(gradients.size());
  for (const auto& [name, gradient] : gradients) parts.push_back(gradient.to(at::kDouble).flatten());
  return at::cat(parts);
}

// The position adds a large vector to each row of the residual stream, and the attention of the first block
// subtracts it again. With one part, bf16 has 8 bits for a row that is a hundred times as large as the
// token's.
TEST(Gpt, InBf16ACancelledPartOfTheStreamLeavesTheGradientsOfFp32) {
  const GptConfig config = tiny(GptArchitecture::gpt2);
  const auto half = make(config, numerics::Dtype::bf16), full = make(config);
  {
    const at::NoGradGuard no_grad;
    const auto tensors = half->state().tensors;
    const std::map<std::string, at::Tensor> by_name(tensors.begin(), tensors.end());
    by_name.at("position.weight").copy_(30 * at::randn({1, config.dim}));
    by_name.at("block.0.attention.out.weight").zero_();
    by_name.at("block.0.attention.out.bias").copy_(-by_name.at("position.weight")[0]);
    for (auto& [name, tensor] : full->state().tensors) tensor.copy_(by_name.at(name));
  }
  const at::Tensor ours = loss_of(*half, batch_of(0, 8, 8));
  const at::Tensor theirs = Reference(*full, config).loss(batch_of(0, 8, 8));
  EXPECT_NEAR(ours.item<double>(), theirs.item<double>(), 1e-2 * theirs.item<double>());
  const at::Tensor found = flat(gradients(*half, ours)), expected = flat(gradients(*full, theirs));
  EXPECT_NEAR(found.norm().item<double>(), expected.norm().item<double>(),
              0.05 * expected.norm().item<double>());
  EXPECT_LT((found - expected).norm().item<double>(), 0.04 * expected.norm().item<double>());
}

TEST_P(GptOfArchitecture, InitialValuesFollowThePaper) {
  const ModelConfig config = testing::model_config(tiny(GetParam()));
  const auto model =
      make_model(config, core::SampleSpec{{core::tokens_field(10)}}, numerics::Dtype::fp32, at::kCPU, 7);
  for (core::Phase* phase : model->phases())
    for (core::Unit* unit : phase->units())
      for (const core::Parameter& p : unit->parameters) {
        const at::Tensor value = p.initial();
        ASSERT_EQ(value.sizes(), p.tensor.sizes()) << p.name;
        EXPECT_EQ(p.decay, value.dim() > 1) << p.name;
        if (value.dim() == 1) {
          EXPECT_TRUE(at::equal(value, at::full(value.sizes(), p.name.ends_with("weight") ? 1.0 : 0.0)))
              << p.name;
          continue;
        }
        // Residual projections of GPT-2 are smaller by sqrt(2 layers) = 2.
        const bool residual = p.name.ends_with("out.weight") || p.name.ends_with("down.weight");
        const double deviation = residual && GetParam() == GptArchitecture::gpt2 ? 0.01 : 0.02;
        EXPECT_NEAR(value.std().item<double>(), deviation, 0.1 * deviation) << p.name;
        EXPECT_NEAR(value.mean().item<double>(), 0, 0.2 * deviation) << p.name;
      }
}

INSTANTIATE_TEST_SUITE_P(Architectures, GptOfArchitecture,
                         ::testing::Values(GptArchitecture::gpt2, GptArchitecture::llama),
                         [](const auto& info) {
                           return info.param == GptArchitecture::gpt2 ? "Gpt2" : "Llama";
                         });

TEST(Gpt, RefusesImagesAndWindowsLongerThanItsContext) {
  const ModelConfig config = testing::model_config(tiny(GptArchitecture::gpt2));
  const auto refusal = [&](const core::SampleSpec& sample) -> std::string {
    try {
      make_model(config, sample, numerics::Dtype::fp32, at::kCPU, 7);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal(core::SampleSpec{{core::image_field(1, 28, 28)}}),
              ::testing::HasSubstr("gpt trains on the field tokens, but the data provides image"));
  EXPECT_THAT(
      refusal(core::SampleSpec{{core::tokens_field(17)}}),
      ::testing::AllOf(::testing::HasSubstr("model.context is 16"), ::testing::HasSubstr("17 tokens")));
  EXPECT_EQ(refusal(core::SampleSpec{{core::tokens_field(16)}}), "");
}

TEST(Gpt, ADefaultHiddenWidthFollowsTheArchitecture) {
  GptConfig config;
  config.dim = 2048;
  EXPECT_EQ(config.feed_forward_width(), 8192);
  config.architecture = GptArchitecture::llama;
  EXPECT_EQ(config.feed_forward_width(), 5632);
  config.feed_forward = 8192;
  EXPECT_EQ(config.feed_forward_width(), 8192);
}

}  // namespace
}  // namespace ebb::models
