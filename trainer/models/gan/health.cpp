// SPDX-License-Identifier: Apache-2.0
#include "models/gan/health.h"

#include <fmt/format.h>

#include <cmath>

#include "base/json.h"

namespace ebb::models {

std::string GanHealth::sign() const {
  if (average_.accuracy > 1 - kAccuracyMargin)
    return fmt::format(
        "the discriminator is right about {:.1f} % of the pairs, so the generator no longer "
        "learns. Raise the weights of model.penalty, or lower discriminator.optimizer.lr",
        100 * average_.accuracy);
  if (average_.accuracy < kAccuracyMargin)
    return fmt::format(
        "the discriminator is wrong about {:.1f} % of the pairs, so it does not guide the "
        "generator. Lower generator.optimizer.lr or the weights of model.penalty",
        100 * (1 - average_.accuracy));
  if (average_.spread < kLeastSpread)
    return fmt::format(
        "generated samples have {:.2f} % of the variance of real ones: the generator has "
        "collapsed. Lower both learning rates, or raise the weights of model.penalty",
        100 * average_.spread);
  if (average_.penalty > kLargePenalty && average_.penalty > kPenaltyGrowth * early_penalty_)
    return fmt::format(
        "the discriminator's penalty has grown from {:.3g} to {:.3g}: lower the weights of "
        "model.penalty, or discriminator.optimizer.lr",
        early_penalty_, average_.penalty);
  return "";
}

std::string GanHealth::observe(const GanFigures& figures) {
  const double share = steps_ == 0 ? 1 : 1 - std::exp2(-1.0 / static_cast<double>(kHalfLife));
  average_.accuracy += (figures.accuracy - average_.accuracy) * share;
  average_.spread += (figures.spread - average_.spread) * share;
  if (figures.penalty > 0) average_.penalty += (figures.penalty - average_.penalty) * share;
  if (++steps_ < kEarliest) return "";
  if (steps_ == kEarliest) early_penalty_ = average_.penalty;
  std::string text = sign();
  if (text.empty()) warned_at_ = -1;
  if (text.empty() || (warned_at_ >= 0 && steps_ - warned_at_ < kRepeat)) return "";
  warned_at_ = steps_;
  return text;
}

nlohmann::json GanHealth::state() const {
  return {{"steps", steps_},           {"told_at", warned_at_},       {"accuracy", average_.accuracy},
          {"spread", average_.spread}, {"penalty", average_.penalty}, {"early_penalty", early_penalty_}};
}

void GanHealth::restore(const nlohmann::json& values) {
  *this = {};
  if (values.empty()) return;
  steps_ = whole_number(values.at("steps"));
  warned_at_ = whole_number(values.at("told_at"));
  average_ = {values.at("accuracy").get<double>(), values.at("spread").get<double>(),
              values.at("penalty").get<double>()};
  early_penalty_ = values.at("early_penalty").get<double>();
}

}  // namespace ebb::models
