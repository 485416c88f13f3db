// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/unit.h"
#include "models/gan/config.h"
#include "models/model.h"

// The two networks of a GAN. Neither uses statistics of a batch: the result of a sample would then depend on
// the other samples, and so on the number of ranks.
namespace ebb::models {

struct ImageSize {
  std::int64_t channels, side;
};

// Noise [B, Z] and labels [B] int64 (undefined: unconditional) to images [B, C, S, S], about [-1, 1].
class GanGenerator {
 public:
  virtual ~GanGenerator() = default;
  virtual std::vector<core::Unit*> units() = 0;
  virtual at::Tensor images(const at::Tensor& noise, const at::Tensor& labels, core::UnitRunner& runner) = 0;
};

// Images [B, C, S, S] and labels (or undefined) to logits [B] in fp32.
class GanDiscriminator {
 public:
  virtual ~GanDiscriminator() = default;
  virtual std::vector<core::Unit*> units() = 0;
  virtual at::Tensor logits(const at::Tensor& images, const at::Tensor& labels, core::UnitRunner& runner) = 0;
};

std::unique_ptr<GanGenerator> make_residual_generator(const GanConfig& config, ImageSize size,
                                                      const ModelInputs& inputs);
std::unique_ptr<GanDiscriminator> make_residual_discriminator(const GanConfig& config, ImageSize size,
                                                              const ModelInputs& inputs);
std::unique_ptr<GanGenerator> make_dcgan_generator(const GanConfig& config, ImageSize size,
                                                   const ModelInputs& inputs);
std::unique_ptr<GanDiscriminator> make_dcgan_discriminator(const GanConfig& config, ImageSize size,
                                                           const ModelInputs& inputs);

}  // namespace ebb::models
