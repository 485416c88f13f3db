// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "config/section.h"
#include "models/family.h"
#include "models/model.h"

namespace ebb::test {

// Sizes of the tests' family of two networks.
struct TinyGanConfig {
  std::int64_t latent = 4, hidden = 16;
  // Position in the stream of samples: the discriminator warns of a collapse after the batch with it.
  std::int64_t fails_at = -1;
  // Adds the squared gradient of a layer norm of the images to the discriminator's loss. A layer norm has
  // only first derivatives.
  bool norm_penalty = false;
  void describe(config::Section& s);
};

// A generative adversarial network of two dense layers each, on images of any size. Every step runs
// the discriminator twice, on a new batch each time, and then the generator, which reuses the last
// batch.
//
//   generator      z [B, Z] -> dense [B, hidden] -> pixels [B, C*H*W] in (0, 1)
//   discriminator  pixels [B, C*H*W] -> dense [B, hidden] -> logit [B, 1]
class TinyGan : public models::Model, private models::ImageSampler {
 public:
  TinyGan(const TinyGanConfig& config, const models::ModelInputs& inputs);
  std::vector<core::Phase*> phases() override { return {&discriminator_phase_, &generator_phase_}; }
  models::ImageSampler* image_sampler() override { return this; }
  void write_samples(models::SampleSource& source, models::SampleSink& sink,
                     core::UnitRunner& runner) override;

 private:
  class DiscriminatorPhase final : public core::Phase {
   public:
    explicit DiscriminatorPhase(TinyGan& gan) : gan_(gan) {}
    [[nodiscard]] const std::string& name() const override { return gan_.discriminator_.name; }
    [[nodiscard]] core::PhasePlan plan() const override;
    std::vector<core::Unit*> units() override { return {&gan_.discriminator_}; }
    core::Loss forward(const core::Batch& batch, core::UnitRunner& runner) override;
    core::PhaseConclusion conclude(const core::PhaseOutcome& outcome) override;

   private:
    TinyGan& gan_;
  };
  class GeneratorPhase final : public core::Phase {
   public:
    explicit GeneratorPhase(TinyGan& gan) : gan_(gan) {}
    [[nodiscard]] const std::string& name() const override { return gan_.generator_.name; }
    [[nodiscard]] core::PhasePlan plan() const override;
    std::vector<core::Unit*> units() override { return {&gan_.generator_}; }
    core::Loss forward(const core::Batch& batch, core::UnitRunner& runner) override;

   private:
    TinyGan& gan_;
  };

  at::Tensor sample(std::int64_t first, std::int64_t count, std::uint64_t seed,
                    core::UnitRunner& runner) override;
  void add(core::Unit& unit, const std::string& layer, std::int64_t outputs, std::int64_t inputs);
  at::Tensor generate(const at::Tensor& z,
                      core::UnitRunner& runner);  // [B, Z] -> [B, C*H*W]
  at::Tensor judge(const at::Tensor& pixels,
                   core::UnitRunner& runner);  // [B, C*H*W] -> [B, 1, 1, 1]

  TinyGanConfig config_;
  at::ScalarType dtype_;
  at::Device device_;
  std::uint64_t seed_;
  std::uint32_t parameters_ = 0;  // created so far; each draws its initial values from its own counter
  core::Unit discriminator_{"discriminator", {}}, generator_{"generator", {}};
  DiscriminatorPhase discriminator_phase_{*this};
  GeneratorPhase generator_phase_{*this};
};

// `tiny_gan` in model.kind.
models::Family tiny_gan_family();
// `labelled_gan`: the same of default sizes, without keys. It reads labels beside the images, and its samples
// are images of the test split.
models::Family labelled_gan_family();

}  // namespace ebb::test
