// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace ebb::models {

// The figures of one discriminator step over the global batch. The same on every rank.
struct GanFigures {
  double accuracy = 0.5;  // share of the pairs in which the real sample has the larger logit
  double spread = 1;      // variance of generated samples, as a share of that of real ones
  double penalty = 0;     // the weighted penalties in the loss; 0 in a step without them
};

// Finds signs that a GAN fails while its losses are finite: a discriminator that is right about nearly all
// pairs or nearly none, generated samples that are all alike, or a penalty that explodes. A sign must last,
// since each figure varies from step to step: the moving average (half-life kHalfLife steps) must be beyond
// its limit.
class GanHealth {
 public:
  static constexpr std::int64_t kHalfLife = 50, kEarliest = 200;
  // Observations from the beginning of a failure to its sign: in 7 half-lives an average falls from 1 below
  // the limits of accuracy and spread.
  static constexpr std::int64_t kDelay = 7 * kHalfLife;
  static constexpr double kAccuracyMargin = 0.005;  // from 0 and from 1
  static constexpr double kLeastSpread = 0.01;
  // In nats, and as a multiple of the average after kEarliest steps. The adversarial loss of networks in
  // balance is ln 2.
  static constexpr double kLargePenalty = 10, kPenaltyGrowth = 10;

  // Returns a sentence with the figures when a sign begins, and again every kRepeat steps while it lasts. Of
  // several that begin together, each of the next calls returns one.
  static constexpr std::int64_t kRepeat = 1000;
  std::string observe(const GanFigures& figures);

  // The averages begin anew at the figures of networks in balance, so no sign returns for hundreds of steps.
  void restart();

  [[nodiscard]] nlohmann::json state() const;
  void restore(const nlohmann::json& values);  // an empty object: nothing has been observed

 private:
  static constexpr std::size_t kSigns = 4;
  // A sentence for each sign; empty: it is absent.
  [[nodiscard]] std::array<std::string, kSigns> signs() const;

  std::int64_t steps_ = 0;
  std::array<std::int64_t, kSigns> warned_at_{-1, -1, -1, -1};  // -1: the sign is absent
  GanFigures average_;
  double early_penalty_ = 0;  // the average after kEarliest steps
};

}  // namespace ebb::models
