// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <map>
#include <string>

#include "models/gan/config.h"

namespace ebb::models::testing {

// The networks of a GAN from LibTorch's operators, in any dtype, by the names of the parameters.
class GanReference {
 public:
  using Parameters = std::map<std::string, at::Tensor>;
  GanReference(const GanConfig& config, std::int64_t side, Parameters parameters)
      : config_(config), stages_(config.widths(side).size()), p_(std::move(parameters)) {}
  [[nodiscard]] const Parameters& parameters() const { return p_; }

  [[nodiscard]] at::Tensor images(const at::Tensor& noise, const at::Tensor& labels) const {
    at::Tensor x = noise;
    for (std::size_t i = 0; i < stages_; ++i) {
      const std::string unit = "generator.stage" + std::to_string(i) + ".";
      if (i == 0 && config_.conditional)
        x = at::cat({x, at::embedding(p(unit + "embedding.weight"), labels)}, 1);
      x = residual() ? residual_generator_stage(x, unit, i) : dcgan_generator_stage(x, unit, i);
    }
    return x;
  }

  [[nodiscard]] at::Tensor logits(const at::Tensor& images, const at::Tensor& labels) const {
    at::Tensor x = images;
    for (std::size_t i = 0; i < stages_; ++i) {
      const std::string unit = "discriminator.stage" + std::to_string(i) + ".";
      if (i == 0) {
        x = conv1(x, p(unit + "image.weight"));
        if (!residual()) x = at::leaky_relu(x + p(unit + "image.bias").view({1, -1, 1, 1}), 0.2);
      }
      if (!residual() && i > 0) x = norm(at::conv2d(x, p(unit + "conv.weight"), {}, 2, 1), unit);
      if (residual()) x = blocks(x, unit);
      if (residual() && i + 1 < stages_) {
        x = resample(x, false);
        if (p_.contains(unit + "transition.weight")) x = conv1(x, p(unit + "transition.weight"));
      }
      if (i + 1 < stages_) continue;
      if (residual()) x = (x * p(unit + "basis")).sum({2, 3});
      const at::Tensor features = at::linear(x.flatten(1), p(unit + "logit.weight"));
      if (!config_.conditional) return features.flatten();
      return (features * at::embedding(p(unit + "embedding.weight"), labels)).sum(1);
    }
    return {};
  }

 private:
  [[nodiscard]] bool residual() const { return config_.architecture == GanArchitecture::residual; }
  [[nodiscard]] const at::Tensor& p(const std::string& name) const { return p_.at(name); }

  static at::Tensor conv1(const at::Tensor& x, const at::Tensor& w) {
    return at::conv2d(x, w.view({w.size(0), w.size(1), 1, 1}));
  }
  static at::Tensor resample(const at::Tensor& x, bool up) {
    const at::Tensor line = at::tensor({1.0, 3.0, 3.0, 1.0}, at::kDouble);
    const at::Tensor kernel =
        (at::outer(line, line) / (up ? 16.0 : 64.0)).to(x.scalar_type()).expand({x.size(1), 1, 4, 4});
    return up ? at::conv_transpose2d(x, kernel, {}, 2, 1, 0, x.size(1))
              : at::conv2d(x, kernel, {}, 2, 1, 1, x.size(1));
  }
  [[nodiscard]] at::Tensor blocks(at::Tensor x, const std::string& unit) const {
    for (std::int64_t i = 0; i < config_.blocks; ++i) {
      const std::string block = unit + "block" + std::to_string(i) + ".";
      at::Tensor h = at::leaky_relu(
          conv1(x, p(block + "expand.weight")) + p(block + "expand.bias").view({1, -1, 1, 1}), 0.2);
      h = at::leaky_relu(at::conv2d(h, p(block + "conv.weight"), p(block + "conv.bias"), 1, 1, 1,
                                    h.size(1) / config_.group_width),
                         0.2);
      x = x + conv1(h, p(block + "project.weight"));
    }
    return x;
  }
  [[nodiscard]] at::Tensor norm(const at::Tensor& x, const std::string& unit) const {
    return at::leaky_relu(at::group_norm(x, x.size(1) / config_.group_width, p(unit + "norm.weight"),
                                         p(unit + "norm.bias"), 1e-5),
                          0.2);
  }
  [[nodiscard]] at::Tensor residual_generator_stage(at::Tensor x, const std::string& unit,
                                                    std::size_t i) const {
    if (i == 0) {
      x = p(unit + "basis") * at::linear(x, p(unit + "modulation.weight")).view({x.size(0), -1, 1, 1});
    } else {
      if (p_.contains(unit + "transition.weight")) x = conv1(x, p(unit + "transition.weight"));
      x = resample(x, true);
    }
    x = blocks(x, unit);
    return i + 1 == stages_ ? conv1(x, p(unit + "image.weight")) : x;
  }
  [[nodiscard]] at::Tensor dcgan_generator_stage(at::Tensor x, const std::string& unit, std::size_t i) const {
    x = i == 0 ? at::linear(x, p(unit + "dense.weight")).view({x.size(0), -1, 4, 4})
               : at::conv_transpose2d(x, p(unit + "conv.weight"), {}, 2, 1);
    x = norm(x, unit);
    if (i + 1 < stages_) return x;
    return (conv1(x, p(unit + "image.weight")) + p(unit + "image.bias").view({1, -1, 1, 1})).tanh();
  }

  GanConfig config_;
  std::size_t stages_;
  Parameters p_;
};

}  // namespace ebb::models::testing
