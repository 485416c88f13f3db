// SPDX-License-Identifier: Apache-2.0
// The networks of DCGAN (Radford et al., 2015): 4 x 4 convolutions of stride 2 between the sizes. Group norms
// replace the original's batch norms, in the inner layers of both networks.
#include <algorithm>
#include <cmath>

#include "models/gan/layers.h"
#include "models/gan/networks.h"
#include "numerics/ops.h"

namespace ebb::models {
namespace {

using numerics::Activation;

constexpr std::int64_t kSmallestSide = 4, kDcganKernelSide = 4;
constexpr numerics::ConvOptions kHalving{.stride = 2, .padding = 1};
constexpr double kDeviation = 0.02, kEps = 1e-5;

// The mean over the pixels and channels of each group of values [B, P, C], for each channel: [B, 1, C]. The
// first sum goes along memory.
at::Tensor group_mean(const at::Tensor& values, std::int64_t group_width) {
  const std::int64_t batch = values.size(0), channels = values.size(2), groups = channels / group_width;
  return values.mean({1})
      .view({batch, groups, group_width})
      .mean({2}, true)
      .expand({batch, groups, group_width})
      .reshape({batch, 1, channels});
}

// leaky_relu(group_norm(x)) of x [B, C, H, W], in fp32. It has derivatives of any order, since it consists of
// LibTorch's operators. All of them work on [B, H * W, C], the order in memory.
at::Tensor norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, std::int64_t group_width) {
  const std::int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  const at::Tensor pixels = x.contiguous(at::MemoryFormat::ChannelsLast)
                                .permute({0, 2, 3, 1})
                                .view({batch, height * width, channels})
                                .to(at::kFloat);
  const at::Tensor centred = pixels - group_mean(pixels, group_width);
  const at::Tensor rstd = (group_mean(centred.square(), group_width) + kEps).rsqrt();
  const at::Tensor normal = at::addcmul(b.to(at::kFloat), centred, rstd * w.to(at::kFloat));
  return at::leaky_relu(normal, numerics::kLeakySlope)
      .to(x.scalar_type())
      .view({batch, height, width, channels})
      .permute({0, 3, 1, 2});
}

void add_norm(ParameterMaker& maker, core::Unit& unit, std::int64_t channels) {
  maker.vector(unit, "norm.weight", channels, 1);
  maker.vector(unit, "norm.bias", channels, 0);
}

// z (and the embedded label) -> dense [B, w0, 4, 4] -> (norm, conv_transpose)... -> [B, C, S, S]
class DcganGenerator final : public GanGenerator {
 public:
  DcganGenerator(const GanConfig& config, ImageSize size, const ModelInputs& inputs) : GanGenerator(config) {
    ParameterMaker maker(inputs, 1);
    const std::vector<std::int64_t> widths = config.widths(size.side);
    for (std::size_t i = 0; i < widths.size(); ++i) {
      core::Unit& unit = units_.emplace_back();
      unit.name = "generator.stage" + std::to_string(i);
      if (i == 0) {
        if (config.conditional) maker.weight(unit, "embedding.weight", {config.classes, config.latent}, 1.0);
        maker.weight(
            unit, "dense.weight",
            {widths[0] * kSmallestSide * kSmallestSide, config.latent * (config.conditional ? 2 : 1)},
            kDeviation);
      } else {
        maker.weight(unit, "conv.weight", {widths[i - 1], widths[i], kDcganKernelSide, kDcganKernelSide},
                     kDeviation);
      }
      add_norm(maker, unit, widths[i]);
      if (i + 1 == widths.size()) {
        maker.weight(unit, "image.weight", {size.channels, widths[i]},
                     1.0 / std::sqrt(static_cast<double>(widths[i])));
        maker.vector(unit, "image.bias", size.channels, 0);
      }
    }
  }

 private:
  at::Tensor stage(std::size_t i, const Tensors& in) override {
    const std::vector<core::Parameter>& p = units_[i].parameters;
    std::size_t next = 0;
    at::Tensor x = in[0];
    if (i == 0) {
      if (config_.conditional) x = at::cat({x, numerics::embed(in[1], p[next++].tensor)}, 1);
      const at::Tensor h = numerics::linear(x, p[next++].tensor, at::Tensor());
      x = h.view({x.size(0), h.size(1) / (kSmallestSide * kSmallestSide), kSmallestSide, kSmallestSide});
    } else {
      x = numerics::conv_transpose2d(x, p[next++].tensor, at::Tensor(), kHalving);
    }
    x = norm(x, p[next].tensor, p[next + 1].tensor, config_.group_width);
    if (i + 1 < units_.size()) return x;
    return pointwise(x, p[next + 2].tensor, p[next + 3].tensor, Activation::none).tanh();
  }
};

// [B, C, S, S] -> conv -> (conv, norm)... -> [B, w0, 4, 4] -> dense -> logit
class DcganDiscriminator final : public GanDiscriminator {
 public:
  DcganDiscriminator(const GanConfig& config, ImageSize size, const ModelInputs& inputs)
      : GanDiscriminator(config) {
    ParameterMaker maker(inputs, 2);
    std::vector<std::int64_t> widths = config.widths(size.side);
    std::reverse(widths.begin(), widths.end());
    for (std::size_t i = 0; i < widths.size(); ++i) {
      core::Unit& unit = units_.emplace_back();
      unit.name = "discriminator.stage" + std::to_string(i);
      if (i == 0) {
        maker.weight(unit, "image.weight", {widths[0], size.channels},
                     1.0 / std::sqrt(static_cast<double>(size.channels)));
        maker.vector(unit, "image.bias", widths[0], 0);
      } else {
        maker.weight(unit, "conv.weight", {widths[i], widths[i - 1], kDcganKernelSide, kDcganKernelSide},
                     kDeviation);
        add_norm(maker, unit, widths[i]);
      }
      if (i + 1 < widths.size()) continue;
      const std::int64_t features = config.conditional ? widths.back() : 1;
      maker.weight(unit, "logit.weight", {features, widths[i] * kSmallestSide * kSmallestSide}, kDeviation);
      if (config.conditional) maker.weight(unit, "embedding.weight", {config.classes, features}, 1.0);
    }
  }

 private:
  at::Tensor stage(std::size_t i, const Tensors& in) override {
    const std::vector<core::Parameter>& p = units_[i].parameters;
    std::size_t next = 0;
    at::Tensor x = in[0];
    if (i == 0) {
      x = pointwise(x, p[0].tensor, p[1].tensor, Activation::leaky_relu);
      next = 2;
    } else {
      x = numerics::conv2d(x, p[0].tensor, at::Tensor(), kHalving);
      x = norm(x, p[1].tensor, p[2].tensor, config_.group_width);
      next = 3;
    }
    if (i + 1 < units_.size()) return x;
    return head(x.flatten(1), p, next, in);
  }
};

}  // namespace

std::unique_ptr<GanGenerator> make_dcgan_generator(const GanConfig& config, ImageSize size,
                                                   const ModelInputs& inputs) {
  return std::make_unique<DcganGenerator>(config, size, inputs);
}

std::unique_ptr<GanDiscriminator> make_dcgan_discriminator(const GanConfig& config, ImageSize size,
                                                           const ModelInputs& inputs) {
  return std::make_unique<DcganDiscriminator>(config, size, inputs);
}

}  // namespace ebb::models
