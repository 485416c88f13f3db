// SPDX-License-Identifier: Apache-2.0
#include "models/gan/gan.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/philox.h"
#include "memory/ledger.h"
#include "models/gan/losses.h"
#include "numerics/ops.h"

namespace ebb::models {
namespace {

// The scale of the inner gradient of a penalty in fp16. A pixel's gradient is small: 2^10 moves it well into
// the range of normal numbers.
numerics::LossScaleConfig inner_scale() {
  numerics::LossScaleConfig config;
  config.initial = 1024;
  config.floor = 1.0 / 1024;
  config.ceiling = 1 << 20;
  config.hysteresis = 0;
  return config;
}

// Names within the values of a checkpoint.
constexpr const char* kHealth = "health";
constexpr const char* kInnerScale = "inner_scale";
constexpr const char* kAugment = "augment";

ImageSize image_size(const core::SampleSpec& sample) {
  const std::vector<std::int64_t>& dims = sample.at(core::kImageField).dims;
  const std::int64_t channels = dims[0], height = dims[1], width = dims[2];
  const bool is_power_of_two = (height & (height - 1)) == 0;
  if (height != width || height < 16 || !is_power_of_two)
    throw Error(
        ExitCode::usage,
        fmt::format("model.kind=gan needs square images whose side is a power of two and at least 16; "
                    "the dataset's are {} x {}. Pad them when they are packed: `ebb data pack --pad`.",
                    height, width));
  if (channels > 4)
    throw Error(
        ExitCode::usage,
        fmt::format("model.kind=gan supports images of 1 to 4 channels; the dataset's have {}", channels));
  return {channels, height};
}

}  // namespace

std::unique_ptr<Model> make_gan(const FamilyConfig& config, const ModelInputs& inputs) {
  return std::make_unique<Gan>(config_of<GanConfig>(config), inputs);
}

Gan::Gan(const GanConfig& config, const ModelInputs& inputs)
    : Model(inputs.sample),
      config_(config),
      dtype_(numerics::scalar_type(inputs.dtype)),
      device_(inputs.device),
      seed_(inputs.seed) {
  if (inputs.dtype == numerics::Dtype::fp16) inner_scale_.emplace(inner_scale(), "inner gradient scale");
  if (config.augment.is_adaptive()) adaptive_probability_.emplace(config.augment);
  const ImageSize size = image_size(inputs.sample);
  const bool residual = config.architecture == GanArchitecture::residual;
  generator_ =
      residual ? make_residual_generator(config, size, inputs) : make_dcgan_generator(config, size, inputs);
  discriminator_ = residual ? make_residual_discriminator(config, size, inputs)
                            : make_dcgan_discriminator(config, size, inputs);
}

core::State Gan::state() {
  core::State state = Model::state();
  state.values[kHealth] = health_.state();
  if (inner_scale_) state.values[kInnerScale] = inner_scale_->state();
  if (adaptive_probability_) state.values[kAugment] = adaptive_probability_->state();
  return state;
}

void Gan::restore(const nlohmann::json& values) {
  health_.restore(values.value(kHealth, nlohmann::json::object()));
  if (inner_scale_ && values.contains(kInnerScale)) inner_scale_->restore(values.at(kInnerScale));
  if (adaptive_probability_ && values.contains(kAugment)) adaptive_probability_->restore(values.at(kAugment));
}

at::Tensor Gan::real_images(const core::Batch& batch) const {
  return (numerics::to_unit_range(batch.field(core::kImageField), dtype_) * 2 - 1)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor Gan::labels(const core::Batch& batch) const {
  if (!config_.conditional) return {};
  return batch.field(core::kLabelField);  // the dataset has refused labels out of range
}

at::Tensor Gan::generated(const core::Batch& batch, std::uint32_t stream, core::UnitRunner& runner) {
  const at::Tensor noise =
      numerics::philox_normal(batch.size(), config_.latent, seed_, stream, batch.position, dtype_, device_);
  return generator_->images(noise, labels(batch), runner);
}

double Gan::augment_probability(const core::Batch& batch) const {
  if (adaptive_probability_ && device_.is_meta()) return AdaptiveProbability::kLargest;
  return adaptive_probability_ ? adaptive_probability_->value()
                               : config_.augment.scheduled(batch.step * batch.global_batch);
}

at::Tensor Gan::augmented(const at::Tensor& images, std::initializer_list<RandomStream> streams,
                          AugmentedPhase phase, const core::Batch& batch, double probability) const {
  if (probability <= 0) return images;
  std::vector<at::Tensor> draws;
  for (const RandomStream stream : streams)
    draws.push_back(augmentation_draws(batch.size(), seed_, stream, batch.position, phase, device_));
  return augment(images, at::cat(draws), probability);
}

at::Tensor Gan::sample(std::int64_t first, std::int64_t count, std::uint64_t seed, core::UnitRunner& runner) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "sample");
  const at::Tensor noise =
      numerics::philox_normal(count, config_.latent, seed, static_cast<std::uint32_t>(RandomStream::sampling),
                              first, dtype_, device_);
  at::Tensor labels;
  if (config_.conditional)
    labels = at::arange(first, first + count, at::TensorOptions().dtype(at::kLong).device(device_))
                 .remainder(config_.classes);
  const at::Tensor images = generator_->images(noise, labels, runner);
  return on_host(((images.to(at::kFloat).clamp(-1, 1) + 1) * 127.5).round().to(at::kByte).contiguous());
}

void Gan::write_samples(SampleSource&, SampleSink& sink, core::UnitRunner& runner) {
  write_new_images(*this, sink, runner);
}

}  // namespace ebb::models
