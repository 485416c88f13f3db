// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "models/model.h"
#include "models/vae/config.h"
#include "models/vae/likelihood.h"

namespace ebb::models {

// Encoder: two 4x4 convolutions of stride 2, a dense layer, then mean and log-variance of the code. Decoder:
// its mirror image, which ends with one number for each pixel: see PixelDistribution. Height and width are
// multiples of 4.
//
//   x [B,C,H,W] -> conv [B,w/2,H/2,W/2] -> conv [B,w,H/4,W/4] -> dense [B,hidden] -> [B,2Z]
//   z [B,Z] -> dense [B,hidden] -> dense [B,w*H/4*W/4] -> convT [B,w/2,H/2,W/2] -> convT [B,C,H,W]
class Vae final : public Model,
                  private core::Phase,
                  private ImageSampler,
                  private ImageReconstructor,
                  private BoundEstimator {
 public:
  Vae(const VaeConfig& config, const ModelInputs& inputs);

  std::vector<core::Phase*> phases() override { return {this}; }
  ImageSampler* image_sampler() override { return this; }
  ImageReconstructor* image_reconstructor() override { return this; }
  BoundEstimator* bound_estimator() override { return this; }
  void write_samples(SampleSource& source, SampleSink& sink, core::UnitRunner& runner) override;

 private:
  at::Tensor sample(std::int64_t first, std::int64_t count, std::uint64_t seed,
                    core::UnitRunner& runner) override;
  at::Tensor reconstruct(const at::Tensor& images, core::UnitRunner& runner) override;
  at::Tensor log_likelihood_bound(const core::Batch& batch, std::int64_t draws,
                                  core::UnitRunner& runner) override;
  bool is_discrete() const override { return config_.likelihood == Likelihood::discretized_logistic; }
  std::int64_t dimensions() const override;
  const std::string& name() const override { return name_; }
  std::vector<core::Unit*> units() override { return {&encoder_, &decoder_}; }
  core::Loss forward(const core::Batch& batch, core::UnitRunner& runner) override;

  void add(core::Unit& unit, const std::string& layer, std::vector<std::int64_t> shape, std::int64_t bias,
           std::int64_t fan_in);
  void add_scale(std::int64_t channels);
  at::Tensor encode(const at::Tensor& x, core::UnitRunner& runner);         // [B,C,H,W] -> [B,2Z]
  PixelDistribution decode(const at::Tensor& z, core::UnitRunner& runner);  // of z [B,Z]

  const std::string name_ = "vae";
  VaeConfig config_;
  at::ScalarType dtype_;
  at::Device device_;
  std::uint64_t seed_;
  std::uint32_t parameters_ = 0;  // created so far; each draws its initial values from its own counter
  core::Unit encoder_{"encoder", {}}, decoder_{"decoder", {}};
};

std::unique_ptr<Model> make_vae(const FamilyConfig& config, const ModelInputs& inputs);

}  // namespace ebb::models
