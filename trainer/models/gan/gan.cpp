// SPDX-License-Identifier: Apache-2.0
#include "models/gan/gan.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

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

constexpr const char* kPenalties[] = {"r1", "r2", "gradient_penalty"};
constexpr const char* kSpreadReal = "spread_real";
constexpr const char* kSpreadGenerated = "spread_generated";

double term_of(const core::PhaseOutcome& outcome, std::string_view name) {
  const auto found =
      std::ranges::find(outcome.terms, name, [](const auto& term) -> std::string_view { return term.first; });
  return found == outcome.terms.end() ? 0 : found->second;
}

// The sum over pairs of neighbours of their mean squared difference: of images [B, ...], fp32. In
// expectation, that of each pair is twice the variance of a pixel.
at::Tensor spread(const at::Tensor& images) {
  const std::int64_t pairs = images.size(0) / 2;
  const at::Tensor first = images.narrow(0, 0, pairs), second = images.narrow(0, pairs, pairs);
  return (first - second).to(at::kFloat).square().mean({1, 2, 3}).sum();
}

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
  const ImageSize size = image_size(inputs.sample);
  const bool residual = config.architecture == GanArchitecture::residual;
  generator_ =
      residual ? make_residual_generator(config, size, inputs) : make_dcgan_generator(config, size, inputs);
  discriminator_ = residual ? make_residual_discriminator(config, size, inputs)
                            : make_dcgan_discriminator(config, size, inputs);
}

at::Tensor Gan::real_images(const core::Batch& batch) const {
  return (numerics::to_unit_range(batch.field(core::kImageField), dtype_) * 2 - 1)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor Gan::labels(const core::Batch& batch) const {
  if (!config_.conditional) return {};
  const at::Tensor& labels = batch.field(core::kLabelField);
  if (labels.is_meta()) return labels;
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
  at::Tensor inputs;
  {
    const at::NoGradGuard no_grad;
    inputs = at::cat({gan_.real_images(batch),
                      gan_.generated(batch, static_cast<std::uint32_t>(RandomStream::latent), runner)});
  }
  const bool penalised = at::GradMode::is_enabled() && gan_.config_.penalty.any() &&
                         batch.step % gan_.config_.penalty.every == 0;
  inputs.requires_grad_(penalised);
  const at::Tensor labels = gan_.labels(batch);
  const at::Tensor both = labels.defined() ? at::cat({labels, labels}) : at::Tensor();
  const at::Tensor logits = gan_.discriminator_->logits(inputs, both, runner);
  const at::Tensor real = logits.narrow(0, 0, batch.size()),
                   fake = logits.narrow(0, batch.size(), batch.size());
  const double share = 1.0 / static_cast<double>(batch.global_batch);
  const at::Tensor adversarial = discriminator_loss(gan_.config_.loss, real, fake) * share;
  core::Loss loss{adversarial,
                  {{"adversarial", adversarial.detach()},
                   {"accuracy", ((real > fake).to(at::kFloat).sum() * share).detach()}}};
  if (penalised) gan_.add_penalties(batch, inputs, logits, runner, loss);
  const at::Tensor images = inputs.detach();
  loss.terms.emplace_back(kSpreadReal, spread(images.narrow(0, 0, batch.size())) * share);
  loss.terms.emplace_back(kSpreadGenerated, spread(images.narrow(0, batch.size(), batch.size())) * share);
  return loss;
}

core::PhaseVerdict Gan::DiscriminatorPhase::conclude(const core::PhaseOutcome& outcome) {
  core::PhaseVerdict verdict;
  const double adversarial = term_of(outcome, "adversarial");
  const bool finite_penalty = std::ranges::all_of(
      kPenalties, [&](const char* name) { return std::isfinite(term_of(outcome, name)); });
  if (gan_.inner_scale_ && std::isfinite(adversarial) && (!finite_penalty || outcome.finite_gradients)) {
    const double scale = gan_.inner_scale_->scale();
    if (!gan_.inner_scale_->update(!finite_penalty))
      verdict.overflowed_scale = fmt::format("inner gradient scale {:g}", scale);
  }
  if (!std::isfinite(outcome.loss)) return verdict;
  const double real = term_of(outcome, kSpreadReal), generated = term_of(outcome, kSpreadGenerated);
  GanFigures figures;
  figures.accuracy = term_of(outcome, "accuracy");
  if (real > 0) figures.spread = generated / real;
  figures.penalty = (outcome.loss - adversarial) / static_cast<double>(gan_.config_.penalty.every);
  verdict.warning = gan_.health_.observe(figures);
  return verdict;
}

core::State Gan::state() {
  core::State state = Model::state();
  state.values["health"] = health_.state();
  if (inner_scale_) state.values["inner_scale"] = inner_scale_->state();
  return state;
}

void Gan::restore(const nlohmann::json& values) {
  health_.restore(values.value("health", nlohmann::json::object()));
  if (inner_scale_ && values.contains("inner_scale")) inner_scale_->restore(values.at("inner_scale"));
}

void Gan::add_penalties(const core::Batch& batch, const at::Tensor& inputs, const at::Tensor& logits,
                        core::UnitRunner& runner, core::Loss& loss) {
  const GanPenaltyConfig& penalty = config_.penalty;
  const std::int64_t n = batch.size();
  const double share = static_cast<double>(penalty.every) / static_cast<double>(batch.global_batch);
  const double ratio = penalty.ratio(batch.step * batch.global_batch);
  if (penalty.schedule.curve != core::Curve::constant) loss.scheduled.emplace_back("penalty_ratio", ratio);
  const double scale = inner_scale_ ? inner_scale_->scale() : 1;
  const auto add = [&](const char* name, const at::Tensor& value, double weight) {
    loss.loss = loss.loss + value * (weight * ratio);
    loss.terms.emplace_back(name, value.detach());
  };
  if (penalty.r1 > 0 || penalty.r2 > 0) {
    // One pass for both: no logit depends on another sample.
    const at::Tensor squares = squared_gradients(logits.sum(), inputs, scale);
    if (penalty.r1 > 0) add("r1", squares.narrow(0, 0, n).sum() * share, penalty.r1 / 2);
    if (penalty.r2 > 0) add("r2", squares.narrow(0, n, n).sum() * share, penalty.r2 / 2);
  }
  if (penalty.gradient > 0) {
    // The normal distribution function of a normal number is uniform.
    const at::Tensor normal =
        numerics::philox_normal(n, 1, seed_, static_cast<std::uint32_t>(RandomStream::augmentation),
                                batch.position, at::kFloat, device_);
    const at::Tensor mix = at::special_ndtr(normal).view({n, 1, 1, 1}).to(dtype_);
    const at::Tensor real = inputs.detach().narrow(0, 0, n), fake = inputs.detach().narrow(0, n, n);
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
  at::Tensor real;
  if (gan_.config_.loss == GanLoss::relativistic) {
    const at::NoGradGuard no_grad;
    real = gan_.discriminator_->logits(gan_.real_images(batch), labels, runner);
  }
  const at::Tensor fake = gan_.discriminator_->logits(
      gan_.generated(batch, static_cast<std::uint32_t>(RandomStream::generator_latent), runner), labels,
      runner);
  return {generator_loss(gan_.config_.loss, real, fake) * (1.0 / static_cast<double>(batch.global_batch)),
          {}};
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
  return ((images.to(at::kFloat).clamp(-1, 1) + 1) * 127.5).round().to(at::kByte).contiguous().cpu();
}

void Gan::write_samples(SampleSource&, SampleSink& sink, core::UnitRunner& runner) {
  write_new_images(*this, sink, runner);
}

}  // namespace ebb::models
