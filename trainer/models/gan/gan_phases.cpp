// SPDX-License-Identifier: Apache-2.0
// The losses of both phases, and what the discriminator's phase concludes from them.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/philox.h"
#include "memory/ledger.h"
#include "models/gan/gan.h"
#include "models/gan/losses.h"
#include "numerics/ops.h"

namespace ebb::models {
namespace {

// Names of terms.
constexpr const char* kRealSign = "real_sign";  // the mean sign of the logits of real samples
constexpr const char* kPenalties[] = {"r1", "r2", "gradient_penalty"};
double term_of(const core::PhaseOutcome& outcome, std::string_view name) {
  const auto found =
      std::ranges::find(outcome.terms, name, [](const auto& term) -> std::string_view { return term.first; });
  return found == outcome.terms.end() ? 0 : found->second;
}

constexpr std::int64_t kSpreadSide = 8;  // images are averaged to this size for their spread

// For the spread of images [B, C, H, W]: the sums of their pixels, [C * 8 * 8], then that of all squares.
at::Tensor spread_sums(const at::Tensor& images) {
  const std::int64_t window = images.size(2) / kSpreadSide;
  const at::Tensor small = at::avg_pool2d(images.to(at::kFloat), window).flatten(1);
  return at::cat({small.sum(0), small.square().sum().view({1})});
}

// The sum over pixels of their variance among `count` images.
double variance(std::span<const double> sums, std::int64_t count) {
  const auto n = static_cast<double>(count);
  double of_means = 0;
  for (const double sum : sums.first(sums.size() - 1)) of_means += sum / n * (sum / n);
  return std::max(0.0, sums.back() / n - of_means);
}

}  // namespace

core::PhasePlan Gan::DiscriminatorPhase::plan() const {
  const GanConfig& config = gan_.config_;
  core::PhasePlan plan;
  plan.trainee = name_;
  plan.repeats = config.discriminator_steps;
  plan.traces_overflows = config.penalty.any();
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
  global_batch_ = batch.global_batch;
  const bool trains = at::GradMode::is_enabled();
  const double probability = trains ? gan_.augment_probability(batch) : 0;
  const GanConfig& config = gan_.config_;
  DiscriminatorPass pass;
  {
    const at::NoGradGuard no_grad;
    pass.inputs = at::cat({gan_.real_images(batch),
                           gan_.generated(batch, static_cast<std::uint32_t>(RandomStream::latent), runner)});
  }
  const bool penalised = trains && config.penalty.any() && batch.step % config.penalty.every == 0;
  pass.inputs.requires_grad_(penalised);
  pass.augmented =
      gan_.augmented(pass.inputs, {RandomStream::augmentation, RandomStream::augmentation_of_generated},
                     AugmentedPhase::discriminator, batch, probability);
  const at::Tensor labels = gan_.labels(batch);
  const at::Tensor both = labels.defined() ? at::cat({labels, labels}) : at::Tensor();
  pass.logits = gan_.discriminator_->logits(pass.augmented, both, runner);
  const at::Tensor real = pass.logits.narrow(0, 0, batch.size()),
                   fake = pass.logits.narrow(0, batch.size(), batch.size());
  const double share = 1.0 / static_cast<double>(batch.global_batch);
  const at::Tensor adversarial = discriminator_loss(config.loss, real, fake) * share;
  core::Loss loss{adversarial,
                  {{"adversarial", adversarial.detach()},
                   {"accuracy", ((real > fake).to(at::kFloat).sum() * share).detach()}}};
  if (trains) loss.parts.emplace_back("adversarial", adversarial);
  const GanAugmentConfig& augment = config.augment;
  if (augment.is_adaptive()) loss.terms.emplace_back(kRealSign, (real.sign().sum() * share).detach());
  if (trains && (augment.is_adaptive() || augment.schedule.curve != core::Curve::constant))
    loss.scheduled.emplace_back("augment_probability", probability);
  if (penalised) gan_.add_penalties(batch, pass, runner, loss);
  if (!trains) return loss;
  const at::Tensor images = pass.inputs.detach();
  loss.sums = at::cat({spread_sums(images.narrow(0, 0, batch.size())),
                       spread_sums(images.narrow(0, batch.size(), batch.size()))});
  return loss;
}

core::PhaseConclusion Gan::DiscriminatorPhase::conclude(const core::PhaseOutcome& outcome) {
  core::PhaseConclusion conclusion;
  const double adversarial = term_of(outcome, "adversarial");
  const bool penalised = std::ranges::any_of(kPenalties, [&](std::string_view name) {
    return std::ranges::any_of(outcome.terms, [&](const auto& term) { return term.first == name; });
  });
  const bool finite_penalty = std::ranges::all_of(
      kPenalties, [&](const char* name) { return std::isfinite(term_of(outcome, name)); });
  if (gan_.inner_scale_ && penalised && std::isfinite(adversarial) &&
      (!finite_penalty || outcome.finite_gradients)) {
    const double scale = gan_.inner_scale_->scale();
    if (!gan_.inner_scale_->update(!finite_penalty))
      conclusion.overflowed_scale = fmt::format("inner gradient scale {:g}", scale);
  }
  if (!std::isfinite(outcome.loss)) return conclusion;
  if (gan_.adaptive_probability_)
    gan_.adaptive_probability_->update(term_of(outcome, kRealSign), global_batch_);
  GanFigures figures;
  // A Wasserstein critic may rank every pair correctly in healthy training, so the check of accuracy is off.
  figures.accuracy = gan_.config_.loss == GanLoss::wasserstein ? 0.5 : term_of(outcome, "accuracy");
  const std::size_t half = outcome.sums.size() / 2;
  const double real = half > 0 ? variance(outcome.sums.first(half), global_batch_) : 0;
  const double generated = half > 0 ? variance(outcome.sums.last(half), global_batch_) : 0;
  if (real > 0 && std::isfinite(real) && std::isfinite(generated)) {
    figures.spread = generated / real;
    conclusion.figures.emplace_back("spread", figures.spread);
  }
  figures.penalty = (outcome.loss - adversarial) / static_cast<double>(gan_.config_.penalty.every);
  conclusion.warning = gan_.health_.observe(figures);
  conclusion.warning_delay = GanHealth::kDelay / gan_.config_.discriminator_steps;
  return conclusion;
}

// R1 and R2 are of the images before augmentation, as in the training of StyleGAN2-ADA and R3GAN. The
// gradient penalty bounds the slope of the discriminator itself, so it mixes the images that it sees.
void Gan::add_penalties(const core::Batch& batch, const DiscriminatorPass& pass, core::UnitRunner& runner,
                        core::Loss& loss) {
  const GanPenaltyConfig& penalty = config_.penalty;
  const std::int64_t n = batch.size();
  const double share = static_cast<double>(penalty.every) / static_cast<double>(batch.global_batch);
  const double ratio = penalty.ratio(batch.step * batch.global_batch);
  if (penalty.schedule.curve != core::Curve::constant) loss.scheduled.emplace_back("penalty_ratio", ratio);
  const double scale = inner_scale_ ? inner_scale_->scale() : 1;
  const auto add = [&](const char* name, const at::Tensor& value, double weight) {
    loss.parts.emplace_back(name, value * (weight * ratio));
    loss.loss = loss.loss + loss.parts.back().second;
    loss.terms.emplace_back(name, value.detach());
  };
  if (penalty.r1 > 0 || penalty.r2 > 0) {
    // One pass for both: no logit depends on another sample.
    const at::Tensor squares = squared_gradients(pass.logits.sum(), pass.inputs, scale);
    if (penalty.r1 > 0) add("r1", squares.narrow(0, 0, n).sum() * share, penalty.r1 / 2);
    if (penalty.r2 > 0) add("r2", squares.narrow(0, n, n).sum() * share, penalty.r2 / 2);
  }
  if (penalty.gradient > 0) {
    // The normal distribution function of a normal number is uniform.
    const at::Tensor normal =
        numerics::philox_normal(n, 1, seed_, static_cast<std::uint32_t>(RandomStream::augmentation),
                                batch.position, at::kFloat, device_);
    const at::Tensor mix = at::special_ndtr(normal).view({n, 1, 1, 1}).to(dtype_);
    const at::Tensor seen = pass.augmented.detach();
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
  core::Loss loss;
  loss.loss = generator_loss(gan_.config_.loss, real, fake) * (1.0 / static_cast<double>(batch.global_batch));
  loss.parts.emplace_back("loss", loss.loss);
  return loss;
}

}  // namespace ebb::models
