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

// Scale of the inner gradient of a penalty in 16 bits. A pixel's gradient is small: 2^10 moves it well into
// the range of normal fp16 numbers.
constexpr double kInnerScale = 1024;
constexpr const char* kAugment = "augment";     // within the values of a checkpoint
constexpr const char* kRealSign = "real_sign";  // term: the mean sign of the logits of real samples

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
  if (adaptive_probability_) state.values[kAugment] = adaptive_probability_->state();
  return state;
}

void Gan::restore(const nlohmann::json& values) {
  if (adaptive_probability_ && values.contains(kAugment)) adaptive_probability_->restore(values.at(kAugment));
}

at::Tensor Gan::real_images(const core::Batch& batch) const {
  return (numerics::to_unit_range(batch.field(core::kImageField), dtype_) * 2 - 1)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor Gan::labels(const core::Batch& batch) const {
  if (!config_.conditional) return {};
  const at::Tensor& labels = batch.field(core::kLabelField);
  // A GPU's labels are not read here, which would wait for it. The dataset refuses labels out of range.
  if (!labels.is_cpu()) return labels;
  const auto lowest = labels.min().item<std::int64_t>(), highest = labels.max().item<std::int64_t>();
  if (lowest < 0 || highest >= config_.classes)
    throw Error(ExitCode::data, fmt::format("the data has the label {}, but labels are from 0 to {}: set "
                                            "model.classes to their number",
                                            lowest < 0 ? lowest : highest, config_.classes - 1));
  return labels;
}

at::Tensor Gan::generated(const core::Batch& batch, std::uint32_t stream, core::UnitRunner& runner) {
  const at::Tensor noise =
      numerics::philox_normal(batch.size(), config_.latent, seed_, stream, batch.position, dtype_, device_);
  return generator_->images(noise, labels(batch), runner);
}

double Gan::augment_probability(const core::Batch& batch) const {
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

core::PhasePlan Gan::DiscriminatorPhase::plan() const {
  core::PhasePlan plan;
  plan.trainee = name_;
  plan.repeats = gan_.config_.discriminator_steps;
  return plan;
}

core::PhasePlan Gan::GeneratorPhase::plan() const {
  core::PhasePlan plan;
  plan.trainee = name_;
  plan.batch = core::BatchChoice::same;
  return plan;
}

core::Loss Gan::DiscriminatorPhase::forward(const core::Batch& batch, core::UnitRunner& runner) {
  const memory::Tag tag(memory::Class::activations, name_);
  const bool trains = at::GradMode::is_enabled();
  const double probability = trains ? gan_.augment_probability(batch) : 0;
  Judged judged;
  {
    const at::NoGradGuard no_grad;
    judged.inputs =
        at::cat({gan_.real_images(batch),
                 gan_.generated(batch, static_cast<std::uint32_t>(RandomStream::latent), runner)});
  }
  const bool penalised = trains && gan_.config_.penalty.any() && batch.step % gan_.config_.penalty.every == 0;
  judged.inputs.requires_grad_(penalised);
  judged.seen =
      gan_.augmented(judged.inputs, {RandomStream::augmentation, RandomStream::augmentation_of_generated},
                     AugmentedPhase::discriminator, batch, probability);
  const at::Tensor labels = gan_.labels(batch);
  const at::Tensor both = labels.defined() ? at::cat({labels, labels}) : at::Tensor();
  judged.logits = gan_.discriminator_->logits(judged.seen, both, runner);
  const at::Tensor real = judged.logits.narrow(0, 0, batch.size()),
                   fake = judged.logits.narrow(0, batch.size(), batch.size());
  const double share = 1.0 / static_cast<double>(batch.global_batch);
  const at::Tensor adversarial = discriminator_loss(gan_.config_.loss, real, fake) * share;
  core::Loss loss{adversarial,
                  {{"adversarial", adversarial.detach()},
                   {"accuracy", ((real > fake).to(at::kFloat).sum() * share).detach()}}};
  const GanAugmentConfig& augment = gan_.config_.augment;
  if (augment.is_adaptive()) loss.terms.emplace_back(kRealSign, (real.sign().sum() * share).detach());
  if (trains && (augment.is_adaptive() || augment.schedule.curve != core::Curve::constant))
    loss.scheduled.emplace_back("augment_probability", probability);
  if (penalised) gan_.add_penalties(batch, judged, runner, loss);
  return loss;
}

// R1 and R2 are of the images before augmentation, as in the training of StyleGAN2-ADA and R3GAN. The
// gradient penalty bounds the slope of the discriminator itself, so it mixes the images that it sees.
void Gan::add_penalties(const core::Batch& batch, const Judged& judged, core::UnitRunner& runner,
                        core::Loss& loss) {
  const GanPenaltyConfig& penalty = config_.penalty;
  const std::int64_t n = batch.size();
  const double share = static_cast<double>(penalty.every) / static_cast<double>(batch.global_batch);
  const double ratio = penalty.ratio(batch.step * batch.global_batch);
  if (penalty.schedule.curve != core::Curve::constant) loss.scheduled.emplace_back("penalty_ratio", ratio);
  const double scale = dtype_ == at::kFloat ? 1 : kInnerScale;
  const auto add = [&](const char* name, const at::Tensor& value, double weight) {
    loss.loss = loss.loss + value * (weight * ratio);
    loss.terms.emplace_back(name, value.detach());
  };
  if (penalty.r1 > 0 || penalty.r2 > 0) {
    // One pass for both: no logit depends on another sample.
    const at::Tensor squares = squared_gradients(judged.logits.sum(), judged.inputs, scale);
    if (penalty.r1 > 0) add("r1", squares.narrow(0, 0, n).sum() * share, penalty.r1 / 2);
    if (penalty.r2 > 0) add("r2", squares.narrow(0, n, n).sum() * share, penalty.r2 / 2);
  }
  if (penalty.gradient > 0) {
    // The normal distribution function of a normal number is uniform.
    const at::Tensor normal =
        numerics::philox_normal(n, 1, seed_, static_cast<std::uint32_t>(RandomStream::augmentation),
                                batch.position, at::kFloat, device_);
    const at::Tensor mix = at::special_ndtr(normal).view({n, 1, 1, 1}).to(dtype_);
    const at::Tensor seen = judged.seen.detach();
    const at::Tensor real = seen.narrow(0, 0, n), fake = seen.narrow(0, n, n);
    const at::Tensor between =
        (fake + mix * (real - fake)).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(true);
    const at::Tensor at_between = discriminator_->logits(between, labels(batch), runner);
    const at::Tensor squares = squared_gradients(at_between.sum(), between, scale);
    add("gradient_penalty", ((squares + 1e-12).sqrt() - 1).square().sum() * share, penalty.gradient);
  }
}

core::Loss Gan::GeneratorPhase::forward(const core::Batch& batch, core::UnitRunner& runner) {
  const memory::Tag tag(memory::Class::activations, name_);
  const at::Tensor labels = gan_.labels(batch);
  const double probability = gan_.augment_probability(batch);
  const auto logits = [&](const at::Tensor& images, RandomStream stream) {
    return gan_.discriminator_->logits(
        gan_.augmented(images, {stream}, AugmentedPhase::generator, batch, probability), labels, runner);
  };
  at::Tensor real;
  if (gan_.config_.loss == GanLoss::relativistic) {
    const at::NoGradGuard no_grad;
    real = logits(gan_.real_images(batch), RandomStream::augmentation);
  }
  const at::Tensor fake =
      logits(gan_.generated(batch, static_cast<std::uint32_t>(RandomStream::generator_latent), runner),
             RandomStream::augmentation_of_generated);
  return {generator_loss(gan_.config_.loss, real, fake) * (1.0 / static_cast<double>(batch.global_batch)),
          {}};
}

at::Tensor Gan::sample(std::int64_t count, std::uint64_t seed, core::UnitRunner& runner) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "sample");
  const at::Tensor noise = numerics::philox_normal(
      count, config_.latent, seed, static_cast<std::uint32_t>(RandomStream::sampling), 0, dtype_, device_);
  at::Tensor labels;
  if (config_.conditional)
    labels =
        at::arange(count, at::TensorOptions().dtype(at::kLong).device(device_)).remainder(config_.classes);
  const at::Tensor images = generator_->images(noise, labels, runner);
  return ((images.to(at::kFloat).clamp(-1, 1) + 1) * 127.5).round().to(at::kByte).contiguous().cpu();
}

void Gan::write_samples(SampleSource&, SampleSink& sink, core::UnitRunner& runner) {
  write_new_images(*this, sink, runner);
}

}  // namespace ebb::models
