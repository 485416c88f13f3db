// SPDX-License-Identifier: Apache-2.0
#include "numerics/loss_scaler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace ebb::numerics {
namespace {

constexpr int kMostOverflows = 100;  // in a row, with a fixed scale

}  // namespace

LossScaler::LossScaler(const LossScaleConfig& config, std::string name)
    : config_(config), name_(std::move(name)), scale_(config.initial) {
  if (const std::string problem = config.problem(); !problem.empty())
    throw Error(ExitCode::usage, name_ + ": " + problem);
}

LossScaler LossScaler::fixed() {
  LossScaleConfig config;
  config.initial = 1;
  LossScaler scaler(config);
  scaler.fixed_ = true;
  return scaler;
}

bool LossScaler::update(bool overflowed) {
  if (!overflowed) {
    overflows_in_a_row_ = 0;
    if (!fixed_ && ++steps_without_overflow_ >= config_.growth_interval) {
      steps_without_overflow_ = 0;
      overflows_without_halving_ = 0;
      scale_ = std::min(scale_ * 2, config_.ceiling);
    }
    return true;
  }
  steps_without_overflow_ = 0;
  ++overflows_in_a_row_;
  if (fixed_) {
    if (overflows_in_a_row_ < kMostOverflows) return false;
    throw DivergenceError(fmt::format(
        "the run has diverged: the loss or the gradients of {} steps in a row were not finite. Lower "
        "optimizer.lr, lengthen the warm-up, or look for values in the data that are not finite",
        overflows_in_a_row_));
  }
  if (overflows_without_halving_ < config_.hysteresis) {
    ++overflows_without_halving_;
    return false;
  }
  scale_ /= 2;
  if (scale_ < config_.floor)
    throw DivergenceError(
        fmt::format("the run has diverged: gradients overflowed {} times in a row, and the {} would fall to "
                    "{}, below its floor of {}. Lower optimizer.lr, lengthen the warm-up, or use "
                    "precision.dtype bf16",
                    overflows_in_a_row_, name_, scale_, config_.floor));
  return false;
}

nlohmann::json LossScaler::state() const {
  return {{"scale", scale_},
          {"accepted", steps_without_overflow_},
          {"forgiven", overflows_without_halving_},
          {"overflows_in_a_row", overflows_in_a_row_}};
}

void LossScaler::restore(const nlohmann::json& values) {
  const nlohmann::json& scale = values.at("scale");
  if (!scale.is_number() || !std::isfinite(scale.get<double>()) || scale.get<double>() <= 0)
    throw nlohmann::json::out_of_range::create(401, "a loss scale above 0 is expected, not " + scale.dump(),
                                               &scale);
  scale_ = scale.get<double>();
  steps_without_overflow_ = whole_number(values.at("accepted"), 0, INT64_MAX);
  overflows_without_halving_ = whole_number(values.at("forgiven"), 0, INT64_MAX);
  overflows_in_a_row_ = whole_number(values.at("overflows_in_a_row"), 0, INT64_MAX);
}

}  // namespace ebb::numerics
