// SPDX-License-Identifier: Apache-2.0
#include "models/gan/health.h"

#include <fmt/format.h>

#include <cmath>

#include "base/json.h"

namespace ebb::models {

std::array<std::string, GanHealth::kSigns> GanHealth::signs() const {
  std::array<std::string, kSigns> found;
  if (average_.accuracy > 1 - kAccuracyMargin)
    found[0] = fmt::format(
        "the discriminator is right about {:.1f} % of the pairs, so the generator no longer "
        "learns. Raise the weights of model.penalty, or lower discriminator.optimizer.lr",
        100 * average_.accuracy);
  if (average_.accuracy < kAccuracyMargin)
    found[1] = fmt::format(
        "the discriminator is wrong about {:.1f} % of the pairs, so it does not guide the "
        "generator. Lower generator.optimizer.lr or the weights of model.penalty",
        100 * (1 - average_.accuracy));
  if (average_.spread < kLeastSpread)
    found[2] = fmt::format(
        "generated samples have {:.2f} % of the variance of real ones: the generator has "
        "collapsed. Lower both learning rates, or raise the weights of model.penalty",
        100 * average_.spread);
  if (average_.penalty > kLargePenalty && average_.penalty > kPenaltyGrowth * early_penalty_)
    found[3] = fmt::format(
        "the discriminator's penalty has grown from {:.3g} to {:.3g}: lower the weights of "
        "model.penalty, or discriminator.optimizer.lr",
        early_penalty_, average_.penalty);
  return found;
}

std::string GanHealth::observe(const GanFigures& figures) {
  const double share = steps_ == 0 ? 1 : 1 - std::exp2(-1.0 / static_cast<double>(kHalfLife));
  average_.accuracy += (figures.accuracy - average_.accuracy) * share;
  average_.spread += (figures.spread - average_.spread) * share;
  if (figures.penalty > 0) average_.penalty += (figures.penalty - average_.penalty) * share;
  if (++steps_ < kEarliest) return "";
  if (steps_ == kEarliest) early_penalty_ = average_.penalty;
  const std::array<std::string, kSigns> found = signs();
  std::string text;
  for (std::size_t i = 0; i < kSigns; ++i) {
    const bool is_due = warned_at_[i] < 0 || steps_ - warned_at_[i] >= kRepeat;
    if (found[i].empty()) {
      warned_at_[i] = -1;
    } else if (is_due && text.empty()) {
      text = found[i];
      warned_at_[i] = steps_;
    }
  }
  return text;
}

void GanHealth::restart() {
  average_ = {};
  average_.penalty = early_penalty_;
  warned_at_.fill(-1);
}

nlohmann::json GanHealth::state() const {
  return {{"steps", steps_},           {"warned_at", warned_at_},     {"accuracy", average_.accuracy},
          {"spread", average_.spread}, {"penalty", average_.penalty}, {"early_penalty", early_penalty_}};
}

void GanHealth::restore(const nlohmann::json& values) {
  *this = {};
  if (values.empty()) return;
  steps_ = whole_number(values.at("steps"));
  warned_at_ = values.at("warned_at").get<decltype(warned_at_)>();
  average_ = {values.at("accuracy").get<double>(), values.at("spread").get<double>(),
              values.at("penalty").get<double>()};
  early_penalty_ = values.at("early_penalty").get<double>();
}

}  // namespace ebb::models
