// SPDX-License-Identifier: Apache-2.0
#include "step/agreed_step_control.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "memory/ledger.h"
#include "numerics/update.h"

namespace ebb::step {

namespace {

// The name of the first term that is not finite; "loss" if only their sum is not. Empty: all are finite.
std::string first_not_finite(const PhaseReport& report) {
  for (const auto& [name, value] : report.terms)
    if (!std::isfinite(value)) return name;
  return std::isfinite(report.loss) ? "" : "loss";
}

}  // namespace

at::Tensor agreement_message(const LossSums& losses, const at::Tensor& stats, const at::Tensor& mine) {
  const at::Tensor overflow = stats.select(1, 1).sum().gt(0).to(at::kDouble).view({1});
  return at::cat({losses.values(), overflow, mine.to(stats.device(), /*non_blocking=*/true), losses.sums()});
}

AgreedStepControl::AgreedStepControl(comm::Communicator& communicator, std::function<bool()> stop_requested)
    : communicator_(communicator), stop_requested_(std::move(stop_requested)) {}

Decision AgreedStepControl::decide(const DecisionInput& input, numerics::LossScaler& scaler,
                                   PhaseReport& report) {
  const memory::Tag tag(memory::Class::communication, "agreement");
  const at::Tensor stats = numerics::gradient_stats(input.gradients);
  const std::int64_t k = input.losses.values().numel();
  const std::int64_t ranks = communicator_.size(), stages = memory::kStages;
  at::Tensor mine = at::zeros({1 + ranks * stages}, at::kDouble);
  double* const flags = mine.data_ptr<double>();
  flags[0] = stop_requested_() ? 1.0 : 0.0;
  std::copy(input.seconds.begin(), input.seconds.end(), flags + 1 + communicator_.rank() * stages);
  const at::Tensor message = agreement_message(input.losses, stats, mine);
  communicator_.all_reduce(message, "agreement on loss, overflow and stop");
  // The run of the phase waits for the GPU here. Otherwise it waits only for NCCL's buckets, and for values
  // that a model reads on the CPU.
  const at::Tensor agreed = at::cat({message, stats.flatten()}).cpu();
  const double* values = agreed.data_ptr<double>();
  const double* const of_gradients = values + message.numel();
  double square_sum = 0;
  for (std::size_t i = 0; i < input.gradients.size(); ++i) {
    square_sum += of_gradients[2 * i];
    if (of_gradients[2 * i + 1] > 0 && report.overflowed.empty())
      report.overflowed = input.parameters[i].name;
  }

  report.loss = values[0];
  for (std::size_t i = 0; i < input.losses.names().size(); ++i)
    report.terms.emplace_back(input.losses.names()[i], values[1 + i]);
  report.scale = scaler.scale();
  report.gradient_norm = std::sqrt(square_sum) / report.scale;
  report.rank_seconds.resize(static_cast<std::size_t>(ranks));
  const double* seconds = values + k + 2;
  for (memory::StageSeconds& rank : report.rank_seconds) {
    std::copy(seconds, seconds + stages, rank.begin());
    seconds += stages;
  }
  report.overflowed_term = first_not_finite(report);
  const bool overflowed = values[k] > 0 || !report.overflowed_term.empty();
  const std::span<const double> sums(seconds, static_cast<std::size_t>(input.losses.sums().numel()));
  core::PhaseConclusion conclusion = input.phase.conclude({report.loss, report.terms, sums, values[k] == 0});
  for (auto& figure : conclusion.figures) report.terms.push_back(std::move(figure));
  report.overflowed_scale = std::move(conclusion.overflowed_scale);
  report.warning = std::move(conclusion.warning);
  report.warning_delay = conclusion.warning_delay;
  Decision decision;
  decision.stop = values[k + 1] > 0;
  decision.apply = report.overflowed_scale.empty() ? scaler.update(overflowed) : false;
  report.skipped = !decision.apply;
  return decision;
}

}  // namespace ebb::step
