// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <deque>
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

// The units of a network, one for each image size. stage(i) computes unit i, inside the run of that unit. (It
// is no memory::Stage.)
class GanNetwork {
 public:
  explicit GanNetwork(const GanConfig& config) : config_(config) {}
  virtual ~GanNetwork() = default;
  GanNetwork(const GanNetwork&) = delete;
  GanNetwork& operator=(const GanNetwork&) = delete;
  std::vector<core::Unit*> units();

 protected:
  using Tensors = core::UnitRunner::Tensors;
  // The result of unit i. `in` holds the image or noise, and the labels where the stage reads them.
  virtual at::Tensor stage(std::size_t i, const Tensors& in) = 0;
  Tensors run_stage(std::size_t i, const Tensors& in, core::UnitRunner& runner);

  const GanConfig config_;
  std::deque<core::Unit> units_;
};

// Noise [B, Z] and labels [B] int64 (undefined: unconditional) to images [B, C, S, S], about [-1, 1]. The
// first stage reads the labels.
class GanGenerator : public GanNetwork {
 public:
  using GanNetwork::GanNetwork;
  at::Tensor images(const at::Tensor& noise, const at::Tensor& labels, core::UnitRunner& runner);
};

// Images [B, C, S, S] and labels (or undefined) to logits [B] in fp32. The last stage reads the labels.
class GanDiscriminator : public GanNetwork {
 public:
  using GanNetwork::GanNetwork;
  at::Tensor logits(const at::Tensor& images, const at::Tensor& labels, core::UnitRunner& runner);

 protected:
  // Logits [B] of features [B, F] by the weight at `first`, and by the embedding of labels after it.
  at::Tensor head(const at::Tensor& features, const std::vector<core::Parameter>& p, std::size_t first,
                  const Tensors& in) const;
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
