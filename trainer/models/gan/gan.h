// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/philox.h"
#include "models/gan/augment.h"
#include "models/gan/augment_probability.h"
#include "models/gan/health.h"
#include "models/gan/networks.h"
#include "models/model.h"
#include "numerics/loss_scaler.h"

namespace ebb::models {

// A generative adversarial network of square images. Each step runs the discriminator's phase
// `discriminator_steps` times, each on a new batch, and then the generator's on the last of these batches.
// Pixels are in [-1, 1]. In training both phases augment the images before the discriminator sees them. An
// evaluation sees the data as it is.
class Gan final : public Model, private ImageSampler {
 public:
  Gan(const GanConfig& config, const ModelInputs& inputs);
  std::vector<core::Phase*> phases() override { return {&discriminator_phase_, &generator_phase_}; }
  // Values: health, and where they are used, inner_scale and augment.
  core::State state() override;
  void restore(const nlohmann::json& values) override;
  ImageSampler* image_sampler() override { return this; }
  void write_samples(SampleSource& source, SampleSink& sink, core::UnitRunner& runner) override;

 private:
  class DiscriminatorPhase final : public core::Phase {
   public:
    explicit DiscriminatorPhase(Gan& gan) : gan_(gan) {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] core::PhasePlan plan() const override;
    std::vector<core::Unit*> units() override { return gan_.discriminator_->units(); }
    core::Loss forward(const core::Batch& batch, core::UnitRunner& runner) override;
    core::PhaseConclusion conclude(const core::PhaseOutcome& outcome) override;
    void restart_warnings() override { gan_.health_.restart(); }

   private:
    const std::string name_ = "discriminator";
    Gan& gan_;
    std::int64_t global_batch_ = 0;  // of the last forward()
  };
  class GeneratorPhase final : public core::Phase {
   public:
    explicit GeneratorPhase(Gan& gan) : gan_(gan) {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] core::PhasePlan plan() const override;
    std::vector<core::Unit*> units() override { return gan_.generator_->units(); }
    core::Loss forward(const core::Batch& batch, core::UnitRunner& runner) override;

   private:
    const std::string name_ = "generator";
    Gan& gan_;
  };

  // Images of the discriminator's batch: before augmentation, and after it with their logits.
  struct DiscriminatorPass {
    at::Tensor inputs, augmented, logits;
  };

  at::Tensor sample(std::int64_t first, std::int64_t count, std::uint64_t seed,
                    core::UnitRunner& runner) override;
  // Images in [-1, 1], and labels or an undefined tensor.
  [[nodiscard]] at::Tensor real_images(const core::Batch& batch) const;
  [[nodiscard]] at::Tensor labels(const core::Batch& batch) const;
  // Generated images for each sample of the batch, from noise that its position and `stream` determine.
  at::Tensor generated(const core::Batch& batch, std::uint32_t stream, core::UnitRunner& runner);
  // The probability of augmentation in this step. On the meta device an adaptive one is its largest: a plan
  // has augmented steps, even if the probability begins at 0.
  [[nodiscard]] double augment_probability(const core::Batch& batch) const;
  // The images as the discriminator sees them. `images` has one part for each of `streams`, in order, and
  // each part has one image for every sample of the batch.
  [[nodiscard]] at::Tensor augmented(const at::Tensor& images, std::initializer_list<RandomStream> streams,
                                     AugmentedPhase phase, const core::Batch& batch,
                                     double probability) const;
  // The penalties of this micro-batch, added to `loss` and listed as terms.
  void add_penalties(const core::Batch& batch, const DiscriminatorPass& pass, core::UnitRunner& runner,
                     core::Loss& loss);

  GanConfig config_;
  at::ScalarType dtype_;
  at::Device device_;
  std::uint64_t seed_;
  std::optional<AdaptiveProbability> adaptive_probability_;
  std::unique_ptr<GanGenerator> generator_;
  std::unique_ptr<GanDiscriminator> discriminator_;
  std::optional<numerics::LossScaler> inner_scale_;  // in fp16: of the gradients that are squared
  GanHealth health_;
  DiscriminatorPhase discriminator_phase_{*this};
  GeneratorPhase generator_phase_{*this};
};

std::unique_ptr<Model> make_gan(const FamilyConfig& config, const ModelInputs& inputs);

}  // namespace ebb::models
