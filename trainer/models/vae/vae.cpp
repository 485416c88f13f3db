// SPDX-License-Identifier: Apache-2.0
#include "models/vae/vae.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/philox.h"
#include "memory/ledger.h"
#include "numerics/ops.h"

namespace ebb::models {

using numerics::Activation;

namespace {

constexpr std::int64_t kKernelSide = 4;
constexpr numerics::ConvOptions kConv{.stride = 2, .padding = 1};

// Uniform in (-bound, bound), as torch.nn initialises linear and convolution layers with bound = 1 /
// sqrt(fan-in).
at::Tensor uniform(const std::vector<std::int64_t>& shape, double bound, std::uint64_t seed,
                   std::uint32_t parameter) {
  at::Tensor out = at::empty(shape, at::kFloat);
  float* values = out.data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    const std::uint32_t bits =
        random_bits(seed, RandomStream::initialisation, static_cast<std::uint64_t>(i), parameter)[0];
    values[i] = static_cast<float>(bound) * (2.0F * unit_interval(bits) - 1.0F);
  }
  return out;
}

}  // namespace

std::unique_ptr<Model> make_vae(const FamilyConfig& config, const ModelInputs& inputs) {
  return std::make_unique<Vae>(config_of<VaeConfig>(config), inputs);
}

Vae::Vae(const VaeConfig& config, const ModelInputs& inputs)
    : Model(inputs.sample),
      config_(config),
      dtype_(numerics::scalar_type(inputs.dtype)),
      device_(inputs.device),
      seed_(inputs.seed) {
  const std::vector<std::int64_t>& dims = sample_.at(core::kImageField).dims;
  const std::int64_t channels = dims[0], height = dims[1], width = dims[2];
  if (height % 4 != 0 || width % 4 != 0 || height < 4 || width < 4)
    throw Error(ExitCode::usage, fmt::format("model.kind=vae halves images twice, so their sides must be "
                                             "multiples of 4; the dataset's are {} x {}. "
                                             "Pad or crop the images when they are packed.",
                                             height, width));
  const std::int64_t outer = std::max<std::int64_t>(1, config.width / 2), inner = config.width;
  const std::int64_t flat = inner * (height / 4) * (width / 4);
  const std::int64_t window = kKernelSide * kKernelSide;
  add(encoder_, "encoder.conv1", {outer, channels, kKernelSide, kKernelSide}, outer, channels * window);
  add(encoder_, "encoder.conv2", {inner, outer, kKernelSide, kKernelSide}, inner, outer * window);
  add(encoder_, "encoder.dense", {config.hidden, flat}, config.hidden, flat);
  add(encoder_, "encoder.code", {2 * config.latent, config.hidden}, 2 * config.latent, config.hidden);
  add(decoder_, "decoder.code", {config.hidden, config.latent}, config.hidden, config.latent);
  add(decoder_, "decoder.dense", {flat, config.hidden}, flat, config.hidden);
  add(decoder_, "decoder.conv1", {inner, outer, kKernelSide, kKernelSide}, outer, outer * window);
  add(decoder_, "decoder.conv2", {outer, channels, kKernelSide, kKernelSide}, channels, channels * window);
  if (has_scale(config.likelihood)) add_scale(channels);
}

void Vae::add(core::Unit& unit, const std::string& layer, std::vector<std::int64_t> shape, std::int64_t bias,
              std::int64_t fan_in) {
  const memory::Tag tag(memory::Class::parameters, unit.name);
  const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  const auto options = at::TensorOptions().dtype(dtype_).device(device_);
  for (const bool is_bias : {false, true}) {
    const std::vector<std::int64_t> dims = is_bias ? std::vector<std::int64_t>{bias} : shape;
    core::Parameter parameter;
    parameter.name = layer + (is_bias ? ".bias" : ".weight");
    parameter.tensor = at::empty(dims, options).requires_grad_(true);
    parameter.decay = !is_bias;
    parameter.initial = [dims, bound, seed = seed_, number = parameters_++] {
      return uniform(dims, bound, seed, number);
    };
    unit.parameters.push_back(std::move(parameter));
  }
}

void Vae::add_scale(std::int64_t channels) {
  const memory::Tag tag(memory::Class::parameters, decoder_.name);
  core::Parameter parameter;
  parameter.name = "decoder.log_scale";
  parameter.tensor =
      at::empty({channels}, at::TensorOptions().dtype(dtype_).device(device_)).requires_grad_(true);
  parameter.decay = false;
  parameter.initial = [channels, value = initial_log_scale(config_.likelihood)] {
    return at::full({channels}, value, at::kFloat);
  };
  decoder_.parameters.push_back(std::move(parameter));
}

at::Tensor Vae::encode(const at::Tensor& x, core::UnitRunner& runner) {
  return runner.run(
      encoder_,
      [this](const at::Tensor& input) {
        const auto& p = encoder_.parameters;
        at::Tensor h = numerics::conv2d(input, p[0].tensor, p[1].tensor, kConv, Activation::relu);
        h = numerics::conv2d(h, p[2].tensor, p[3].tensor, kConv, Activation::relu);
        h = numerics::linear(h.flatten(1), p[4].tensor, p[5].tensor, Activation::relu);
        return numerics::linear(h, p[6].tensor, p[7].tensor);
      },
      x);
}

PixelDistribution Vae::decode(const at::Tensor& z, core::UnitRunner& runner) {
  using Tensors = core::UnitRunner::Tensors;
  const Tensors out = runner.run(
      decoder_,
      [this](const Tensors& input) -> Tensors {
        const at::Tensor& code = input[0];
        const auto& p = decoder_.parameters;
        at::Tensor h = numerics::linear(code, p[0].tensor, p[1].tensor, Activation::relu);
        h = numerics::linear(h, p[2].tensor, p[3].tensor, Activation::relu);
        h = h.view({code.size(0), config_.width, sample_.at(core::kImageField).dims[1] / 4,
                    sample_.at(core::kImageField).dims[2] / 4});
        h = numerics::conv_transpose2d(h, p[4].tensor, p[5].tensor, kConv, Activation::relu);
        h = numerics::conv_transpose2d(h, p[6].tensor, p[7].tensor, kConv);
        if (!has_scale(config_.likelihood)) return {h};
        return {h, bounded_log_scale(p[8].tensor)};
      },
      Tensors{z});
  return {config_.likelihood, out[0], out.size() > 1 ? out[1] : at::Tensor()};
}

core::Loss Vae::forward(const core::Batch& batch, core::UnitRunner& runner) {
  const memory::Tag tag(memory::Class::activations, "vae");
  const at::Tensor code = encode(numerics::to_unit_range(batch.field(core::kImageField), dtype_), runner);
  const at::Tensor mu = code.narrow(1, 0, config_.latent).contiguous();
  const at::Tensor logvar = code.narrow(1, config_.latent, config_.latent).contiguous();
  const at::Tensor z = numerics::reparameterize(mu, logvar, seed_, batch.position);
  const double share = 1.0 / static_cast<double>(batch.global_batch);
  const at::Tensor reconstruction =
      numerics::times(nll_sum(decode(z, runner), batch.field(core::kImageField)), share);
  const at::Tensor kl = numerics::times(numerics::gaussian_kl_sum(mu, logvar), share);
  return {reconstruction + numerics::times(kl, config_.kl_weight),
          {{"reconstruction", reconstruction.detach()}, {"kl", kl.detach()}}};
}

at::Tensor Vae::sample(std::int64_t first, std::int64_t count, std::uint64_t seed, core::UnitRunner& runner) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "sample");
  const auto stream = static_cast<std::uint32_t>(RandomStream::sampling);
  return mean_images(
      decode(numerics::philox_normal(count, config_.latent, seed, stream, first, dtype_, device_), runner));
}

at::Tensor Vae::reconstruct(const at::Tensor& images, core::UnitRunner& runner) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "reconstruct");
  const at::Tensor code = encode(numerics::to_unit_range(images.to(device_), dtype_), runner);
  return mean_images(decode(code.narrow(1, 0, config_.latent).contiguous(), runner));
}

void Vae::write_samples(SampleSource& source, SampleSink& sink, core::UnitRunner& runner) {
  write_new_images(*this, sink, runner);
  write_reconstructions(*this, source, sink, runner);
}

}  // namespace ebb::models
