// SPDX-License-Identifier: Apache-2.0
// The networks of R3GAN: residual bottlenecks with a grouped convolution, bilinear resampling, a learned
// 4 x 4 basis at either end, and no norms.
#include <cmath>

#include "models/gan/layers.h"
#include "models/gan/networks.h"
#include "numerics/ops.h"

namespace ebb::models {
namespace {

using numerics::Activation;

constexpr std::int64_t kBasisSide = 4;          // of the smallest image
constexpr std::int64_t kExpansion = 2;          // channels within a block, of those around it
constexpr std::int64_t kGroupedKernelSide = 3;  // of the grouped convolution
constexpr std::size_t kParametersOfABlock = 5;

double deviation(double gain, std::int64_t fan_in) {
  return gain / std::sqrt(static_cast<double>(fan_in));
}

// The scale of a block's inner layers, as in Fixup (Zhang et al., 2019): L^(-1 / (2 m - 2)) for L blocks of m
// = 3 layers, times the gain of leaky_relu.
double block_gain(std::int64_t blocks) {
  const double leaky = std::sqrt(2.0 / (1.0 + double{numerics::kLeakySlope} * numerics::kLeakySlope));
  return leaky * std::pow(static_cast<double>(blocks), -0.25);
}

void add_block(ParameterMaker& maker, core::Unit& unit, std::int64_t number, std::int64_t channels,
               std::int64_t group_width, double gain) {
  const std::int64_t inner = kExpansion * channels;
  const std::string prefix = "block" + std::to_string(number) + ".";
  maker.weight(unit, prefix + "expand.weight", {inner, channels}, deviation(gain, channels));
  maker.vector(unit, prefix + "expand.bias", inner, 0);
  maker.weight(unit, prefix + "conv.weight", {inner, group_width, kGroupedKernelSide, kGroupedKernelSide},
               deviation(gain, group_width * kGroupedKernelSide * kGroupedKernelSide));
  maker.vector(unit, prefix + "conv.bias", inner, 0);
  maker.weight(unit, prefix + "project.weight", {channels, inner}, 0);
}

// x + project(act(conv(act(expand(x))))), with the parameters from `first` on.
at::Tensor run_block(const at::Tensor& x, const std::vector<core::Parameter>& p, std::size_t first,
                     std::int64_t group_width) {
  const auto at = [&](std::size_t i) -> const at::Tensor& { return p[first + i].tensor; };
  at::Tensor h = pointwise(x, at(0), at(1), Activation::leaky_relu);
  h = numerics::conv2d(h, at(2), at(3), {1, kGroupedKernelSide / 2, h.size(1) / group_width},
                       Activation::leaky_relu);
  return x + pointwise(h, at(4), at::Tensor(), Activation::none);
}

at::Tensor run_blocks(at::Tensor x, const std::vector<core::Parameter>& p, std::size_t first,
                      std::int64_t blocks, std::int64_t group_width) {
  for (std::int64_t i = 0; i < blocks; ++i, first += kParametersOfABlock)
    x = run_block(x, p, first, group_width);
  return x;
}

// z (and the embedded label) -> basis [B, w0, 4, 4] -> blocks -> (conv, upsample, blocks)... -> [B, C, S, S]
class ResidualGenerator final : public GanGenerator {
 public:
  ResidualGenerator(const GanConfig& config, ImageSize size, const ModelInputs& inputs)
      : GanGenerator(config) {
    ParameterMaker maker(inputs, 1);
    const std::vector<std::int64_t> widths = config.widths(size.side);
    const double gain = block_gain(config.blocks * static_cast<std::int64_t>(widths.size()));
    for (std::size_t i = 0; i < widths.size(); ++i) {
      core::Unit& unit = units_.emplace_back();
      unit.name = "generator.stage" + std::to_string(i);
      if (i == 0) {
        const std::int64_t in = config.latent * (config.conditional ? 2 : 1);
        if (config.conditional) maker.weight(unit, "embedding.weight", {config.classes, config.latent}, 1.0);
        maker.weight(unit, "basis", {1, widths[0], kBasisSide, kBasisSide}, 1.0);
        maker.weight(unit, "modulation.weight", {widths[0], in}, deviation(1, in));
      } else if (widths[i] != widths[i - 1]) {
        maker.weight(unit, "transition.weight", {widths[i], widths[i - 1]}, deviation(1, widths[i - 1]));
      }
      for (std::int64_t block = 0; block < config.blocks; ++block)
        add_block(maker, unit, block, widths[i], config.group_width, gain);
      if (i + 1 == widths.size())
        maker.weight(unit, "image.weight", {size.channels, widths[i]}, deviation(1, widths[i]));
    }
  }

 private:
  at::Tensor stage(std::size_t i, const Tensors& in) override {
    const std::vector<core::Parameter>& p = units_[i].parameters;
    std::size_t next = 0;
    at::Tensor x = in[0];
    if (i == 0) {
      if (config_.conditional) x = at::cat({x, numerics::embed(in[1], p[next++].tensor)}, 1);
      const at::Tensor& basis = p[next++].tensor;
      const at::Tensor modulation = numerics::linear(x, p[next++].tensor, at::Tensor());
      x = (basis * modulation.view({x.size(0), modulation.size(1), 1, 1}))
              .contiguous(at::MemoryFormat::ChannelsLast);
    } else {
      if (p[0].tensor.dim() == 2 && p[0].name.ends_with("transition.weight"))
        x = pointwise(x, p[next++].tensor, at::Tensor(), Activation::none);
      x = numerics::upsample2(x);
    }
    x = run_blocks(x, p, next, config_.blocks, config_.group_width);
    return i + 1 == units_.size() ? pointwise(x, p.back().tensor, at::Tensor(), Activation::none) : x;
  }
};

// [B, C, S, S] -> (blocks, downsample, conv)... -> blocks -> basis: depthwise 4 x 4 -> [B, w0] -> logit
class ResidualDiscriminator final : public GanDiscriminator {
 public:
  ResidualDiscriminator(const GanConfig& config, ImageSize size, const ModelInputs& inputs)
      : GanDiscriminator(config) {
    ParameterMaker maker(inputs, 2);
    std::vector<std::int64_t> widths = config.widths(size.side);
    std::reverse(widths.begin(), widths.end());
    const double gain = block_gain(config.blocks * static_cast<std::int64_t>(widths.size()));
    for (std::size_t i = 0; i < widths.size(); ++i) {
      core::Unit& unit = units_.emplace_back();
      unit.name = "discriminator.stage" + std::to_string(i);
      if (i == 0) maker.weight(unit, "image.weight", {widths[0], size.channels}, deviation(1, size.channels));
      for (std::int64_t block = 0; block < config.blocks; ++block)
        add_block(maker, unit, block, widths[i], config.group_width, gain);
      if (i + 1 < widths.size()) {
        if (widths[i] != widths[i + 1])
          maker.weight(unit, "transition.weight", {widths[i + 1], widths[i]}, deviation(1, widths[i]));
        continue;
      }
      maker.weight(unit, "basis", {1, widths[i], kBasisSide, kBasisSide}, 1.0 / kBasisSide);
      const std::int64_t features = config.conditional ? widths.back() : 1;
      maker.weight(unit, "logit.weight", {features, widths[i]}, deviation(1, widths[i]));
      if (config.conditional)
        maker.weight(unit, "embedding.weight", {config.classes, features}, deviation(1, features));
    }
  }

 private:
  at::Tensor stage(std::size_t i, const Tensors& in) override {
    const std::vector<core::Parameter>& p = units_[i].parameters;
    std::size_t next = 0;
    at::Tensor x = in[0];
    if (i == 0) x = pointwise(x, p[next++].tensor, at::Tensor(), Activation::none);
    x = run_blocks(x, p, next, config_.blocks, config_.group_width);
    next += static_cast<std::size_t>(config_.blocks) * kParametersOfABlock;
    if (i + 1 < units_.size()) {
      x = numerics::downsample2(x);
      return next < p.size() ? pointwise(x, p[next].tensor, at::Tensor(), Activation::none) : x;
    }
    // The image is 4 x 4 here, so its products are few: fp32 sums by LibTorch.
    const at::Tensor sums =
        (x.to(at::kFloat) * p[next].tensor.to(at::kFloat)).sum({2, 3}).to(x.scalar_type());
    return head(sums, p, next + 1, in);
  }
};

}  // namespace

std::unique_ptr<GanGenerator> make_residual_generator(const GanConfig& config, ImageSize size,
                                                      const ModelInputs& inputs) {
  return std::make_unique<ResidualGenerator>(config, size, inputs);
}

std::unique_ptr<GanDiscriminator> make_residual_discriminator(const GanConfig& config, ImageSize size,
                                                              const ModelInputs& inputs) {
  return std::make_unique<ResidualDiscriminator>(config, size, inputs);
}

}  // namespace ebb::models
