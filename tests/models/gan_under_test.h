// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/philox.h"
#include "models/built_in.h"
#include "models/gan/augment.h"
#include "models/gan/gan.h"
#include "models/gan_reference.h"
#include "numerics/ops.h"

// A small GAN, a batch for it, and what its tests compare it with.
namespace ebb::models::testing {

inline constexpr std::int64_t kSide = 16, kImages = 6;

inline GanConfig tiny(GanArchitecture architecture, bool conditional = false) {
  GanConfig config;
  config.architecture = architecture;
  config.latent = 8, config.width = 8, config.max_width = 16, config.group_width = 4;
  config.conditional = conditional, config.classes = 3;
  config.penalty.r1 = 0.7, config.penalty.r2 = 0.3;
  return config;
}

inline GanConfig without_penalties(GanConfig config) {
  config.penalty.r1 = config.penalty.r2 = config.penalty.gradient = 0;
  return config;
}

// WGAN-GP.
inline GanConfig with_gradient_penalty(GanConfig config) {
  config.loss = GanLoss::wasserstein;
  config.penalty.r1 = config.penalty.r2 = 0, config.penalty.gradient = 2;
  return config;
}

inline GanConfig augmented(GanConfig config, double probability = 0.6) {
  config.augment.probability = probability;
  return config;
}

inline std::vector<GanConfig> configs() {
  return {tiny(GanArchitecture::residual),
          tiny(GanArchitecture::residual, true),
          tiny(GanArchitecture::dcgan),
          tiny(GanArchitecture::dcgan, true),
          augmented(tiny(GanArchitecture::residual)),
          augmented(tiny(GanArchitecture::dcgan, true))};
}

inline core::SampleSpec spec(const GanConfig& config) {
  core::SampleSpec all{{core::image_field(1, kSide, kSide)}};
  if (config.conditional) all.fields.push_back(core::label_field());
  return all;
}

// With small values in the weights that begin at zero, so that every layer matters.
inline std::unique_ptr<Model> make(const GanConfig& gan, numerics::Dtype dtype) {
  ModelConfig config(built_in_families());
  config.choose("gan", std::make_unique<FamilyConfigOf<GanConfig>>(gan));
  auto model = make_model(config, spec(gan), dtype, at::kCPU, 7);
  const at::NoGradGuard no_grad;
  at::manual_seed(1);
  for (core::Parameter& p : all_parameters(*model)) {
    at::Tensor initial = p.initial();
    const at::Tensor other = at::randn(initial.sizes()) * 0.1;
    if (initial.abs().sum().item<float>() == 0) initial = other;
    p.tensor.copy_(initial);
  }
  return model;
}

inline core::Batch batch_of(const GanConfig& config, std::int64_t first = 0, std::int64_t count = kImages) {
  at::manual_seed(3);
  core::Batch batch;
  const at::Tensor images = at::randint(0, 256, {kImages, 1, kSide, kSide}, at::kByte);
  const at::Tensor labels = at::randint(0, config.classes, {kImages}, at::kLong);
  batch.fields = {{std::string(core::kImageField), images.narrow(0, first, count)}};
  if (config.conditional)
    batch.fields.push_back({std::string(core::kLabelField), labels.narrow(0, first, count)});
  batch.position = first;
  batch.global_batch = kImages;
  return batch;
}

// The phase's gradients by name.
inline std::map<std::string, at::Tensor> gradients(Model& model, core::Phase& phase,
                                                   const core::Batch& batch) {
  core::PlainRunner runner;
  phase.forward(batch, runner).loss.backward();
  std::map<std::string, at::Tensor> found;
  for (core::Unit* unit : phase.units())
    for (core::Parameter& p : unit->parameters) {
      EXPECT_TRUE(p.tensor.grad().defined()) << p.name;
      found[p.name] = p.tensor.grad().clone();
      p.tensor.mutable_grad() = at::Tensor();
    }
  for (const auto& [name, tensor] : model.state().tensors) tensor.mutable_grad() = at::Tensor();
  return found;
}

inline at::Tensor real_images(const core::Batch& batch, at::ScalarType dtype) {
  return batch.field(core::kImageField).to(dtype) / 127.5 - 1;
}

inline at::Tensor labels_of(const core::Batch& batch, const GanConfig& config) {
  return config.conditional ? batch.field(core::kLabelField) : at::Tensor();
}

inline GanReference reference_of(Model& model, const GanConfig& config, at::ScalarType dtype) {
  GanReference::Parameters all;
  for (const auto& [name, tensor] : model.state().tensors)
    all[name] = tensor.detach().to(dtype).requires_grad_();
  return {config, kSide, all};
}

// The images of one stream as the discriminator sees them.
inline at::Tensor seen(const at::Tensor& images, RandomStream stream, AugmentedPhase phase,
                       const GanConfig& config, const core::Batch& batch) {
  return augment(images, augmentation_draws(batch.size(), 7, stream, batch.position, phase, at::kCPU),
                 config.augment.probability);
}

// The images of a phase, from the networks of the reference. `stream`: that of the phase's noise.
inline at::Tensor generated_by(const GanConfig& config, const core::Batch& batch,
                               const GanReference& reference, at::ScalarType dtype,
                               RandomStream stream = RandomStream::latent) {
  const at::NoGradGuard no_grad;
  const at::Tensor noise =
      numerics::philox_normal(batch.size(), config.latent, 7, static_cast<std::uint32_t>(stream),
                              batch.position, at::kFloat, at::kCPU);
  return reference.images(noise.to(dtype), labels_of(batch, config));
}

}  // namespace ebb::models::testing
