// SPDX-License-Identifier: Apache-2.0
// A model reads every parameter inside the run of its unit, or of one tied to it. The body of a unit owns all
// that it needs.
#include <gtest/gtest.h>

#include <functional>

#include "models/gpt_under_test.h"
#include "models/hiding_runner.h"
#include "models/vae/config.h"
#include "support/replaying_runner.h"

namespace ebb::models {
namespace {

using testing::HidingRunner;

using Use = std::function<at::Tensor(Model&, core::UnitRunner&)>;

std::set<std::string> units_of(Model& model) {
  std::set<std::string> names;
  for (core::Phase* phase : model.phases())
    for (core::Unit* unit : phase->units()) names.insert(unit->name);
  return names;
}

at::Tensor with_hidden_parameters(Model& model, const Use& use, const std::set<std::string>& units) {
  HidingRunner runner(model);
  at::Tensor result = use(model, runner);
  EXPECT_EQ(runner.ran(), units);
  return result;
}

void expect_reads_inside(Model& model, const Use& use, const std::set<std::string>& units) {
  const at::NoGradGuard no_grad;
  core::PlainRunner plain;
  const at::Tensor expected = use(model, plain);
  ASSERT_TRUE(at::isfinite(expected).all().item<bool>());
  EXPECT_TRUE(at::equal(with_hidden_parameters(model, use, units), expected));
}

at::Tensor loss_of(Model& model, const core::Batch& batch, core::UnitRunner& runner) {
  return model.phases().front()->forward(batch, runner).loss;
}

at::Tensor text_loss(Model& model, core::UnitRunner& runner) {
  return loss_of(model, testing::batch_of(0, 3, 3), runner);
}

// For a prompt, and for one more token with the cache.
at::Tensor decoded(Model& model, core::UnitRunner& runner) {
  TextSampler& sampler = *model.text_sampler();
  KeyValueCache cache = sampler.begin(8);
  const at::Tensor tokens = at::arange(6, at::kLong);
  const at::Tensor first = sampler.next(tokens.narrow(0, 0, 5), cache, runner);
  return at::stack({first, sampler.next(tokens.narrow(0, 5, 1), cache, runner)});
}

TEST(UnitRunner, GptReadsItsParametersInsideTheirUnits) {
  for (const GptArchitecture architecture : {GptArchitecture::gpt2, GptArchitecture::llama})
    for (const bool tied : {true, false}) {
      GptConfig config = testing::tiny(architecture);
      config.tied = tied;
      const auto model = testing::make(config);
      expect_reads_inside(*model, text_loss, units_of(*model));
      expect_reads_inside(*model, decoded, units_of(*model));
    }
}

constexpr Likelihood kLikelihoods[] = {Likelihood::bernoulli, Likelihood::gaussian,
                                       Likelihood::discretized_logistic};

std::unique_ptr<Model> make_a_vae(Likelihood likelihood) {
  ModelConfig config(built_in_families());
  config.choose("vae", std::make_unique<FamilyConfigOf<VaeConfig>>(VaeConfig{8, 8, 16, 1.0, likelihood}));
  auto model = make_model(config, {{core::image_field(1, 12, 8)}}, numerics::Dtype::fp32, at::kCPU, 7);
  const at::NoGradGuard no_grad;
  for (core::Parameter& p : all_parameters(*model)) p.tensor.copy_(p.initial());
  return model;
}

at::Tensor images() {
  at::manual_seed(3);
  return at::randint(0, 256, {4, 1, 12, 8}, at::kByte);
}

core::Batch image_batch() {
  core::Batch batch;
  batch.fields = {{std::string(core::kImageField), images()}};
  batch.global_batch = 4;
  return batch;
}

at::Tensor image_loss(Model& model, core::UnitRunner& runner) {
  return loss_of(model, image_batch(), runner);
}

at::Tensor image_bound(Model& model, core::UnitRunner& runner) {
  return model.bound_estimator()->log_likelihood_bound(image_batch(), 2, runner);
}

TEST(UnitRunner, VaeReadsItsParametersInsideTheirUnits) {
  const auto sampled = [](Model& m, core::UnitRunner& runner) {
    return m.image_sampler()->sample(0, 5, 1, runner);
  };
  const auto reconstructed = [](Model& m, core::UnitRunner& runner) {
    return m.image_reconstructor()->reconstruct(images(), runner);
  };
  for (const Likelihood likelihood : kLikelihoods) {
    const auto model = make_a_vae(likelihood);
    expect_reads_inside(*model, image_loss, {"encoder", "decoder"});
    expect_reads_inside(*model, image_bound, {"encoder", "decoder"});
    expect_reads_inside(*model, sampled, {"decoder"});
    expect_reads_inside(*model, reconstructed, {"encoder", "decoder"});
  }
}

// Runners may do this until the backward of the unit has ended.
void expect_bodies_outlive_forward(Model& model, const Use& use) {
  test::ReplayingRunner runner;
  ASSERT_TRUE(at::isfinite(use(model, runner)).all().item<bool>());
  EXPECT_EQ(runner.ran(), units_of(model));
  EXPECT_EQ(runner.replay(), std::set<std::string>{});
}

TEST(UnitRunner, BodiesOfGptCanBeCalledAfterForwardHasReturned) {
  for (const GptArchitecture architecture : {GptArchitecture::gpt2, GptArchitecture::llama})
    for (const bool documents : {false, true}) {
      GptConfig config = testing::tiny(architecture);
      if (documents) config.document_end = 5;
      const auto model = testing::make(config);
      expect_bodies_outlive_forward(*model, text_loss);
      const at::NoGradGuard no_grad;
      expect_bodies_outlive_forward(*model, decoded);
    }
}

TEST(UnitRunner, BodiesOfVaeCanBeCalledAfterForwardHasReturned) {
  for (const Likelihood likelihood : kLikelihoods)
    expect_bodies_outlive_forward(*make_a_vae(likelihood), image_loss);
}

// The tied head reads the embedding: without its tie that is a read outside, in training and in decoding.
TEST(UnitRunner, AReadOutsideItsUnitIsFound) {
  const at::NoGradGuard no_grad;
  const auto model = testing::make(testing::tiny(GptArchitecture::gpt2));
  for (core::Unit* unit : model->phases().front()->units()) unit->ties.clear();
  for (const Use& use : {Use(text_loss), Use(decoded)})
    EXPECT_TRUE(at::isnan(with_hidden_parameters(*model, use, units_of(*model))).all().item<bool>());
}

}  // namespace
}  // namespace ebb::models
