// SPDX-License-Identifier: Apache-2.0
#include "step/agreed_step_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "base/error.h"
#include "memory/ledger.h"
#include "numerics/update.h"
#include "step/overflow.h"

namespace ebb::step {

namespace {

// The name of the first term that is not finite; "loss" if only their sum is not. Empty: all are finite.
std::string first_not_finite(const PhaseReport& report) {
  for (const auto& [name, value] : report.terms)
    if (!std::isfinite(value)) return name;
  return std::isfinite(report.loss) ? "" : "loss";
}

// LossScaler::update(). An error also names what overflowed in this step.
bool update(numerics::LossScaler& scaler, bool overflowed, const PhaseReport& report) {
  try {
    return scaler.update(overflowed);
  } catch (const DivergenceError& error) {
    throw DivergenceError(fmt::format("{}. The last overflow is that of {} (phase {})", error.what(),
                                      overflowed_values(report), report.phase));
  }
}

}  // namespace

at::Tensor agreement_message(const LossSums& losses, const at::Tensor& stats, const at::Tensor& mine) {
  const at::Tensor overflow = stats.select(1, 1).sum().gt(0).to(at::kDouble).view({1});
  return at::cat({losses.values(), overflow, mine.to(stats.device(), /*non_blocking=*/true), losses.sums()});
}

AgreedStepControl::AgreedStepControl(comm::Communicator& communicator, std::function<bool()> stop_requested)
    : communicator_(communicator), stop_requested_(std::move(stop_requested)) {}

// Returns the agreed message and then the statistics of the gradients. It frees all its tensors, so that
// repeated runs of the phase find the memory of the first one.
std::vector<double> AgreedStepControl::agree(const DecisionInput& input) {
  const memory::Tag tag(memory::Class::communication, "agreement");
  const at::Tensor stats = numerics::gradient_stats(input.gradients);
  const std::int64_t stages = memory::kStages;
  at::Tensor mine = at::zeros({1 + communicator_.size() * stages}, at::kDouble);
  double* const flags = mine.data_ptr<double>();
  flags[0] = stop_requested_() ? 1.0 : 0.0;
  std::copy(input.seconds.begin(), input.seconds.end(), flags + 1 + communicator_.rank() * stages);
  const at::Tensor message = agreement_message(input.losses, stats, mine);
  communicator_.all_reduce(message, "agreement on loss, overflow and stop");
  // The run of the phase waits for the GPU here. Otherwise it waits only for NCCL's buckets, and for values
  // that a model reads on the CPU.
  const at::Tensor agreed = at::cat({message, stats.flatten()}).cpu();
  const double* const values = agreed.data_ptr<double>();
  return {values, values + agreed.numel()};
}

Decision AgreedStepControl::decide(const DecisionInput& input, numerics::LossScaler& scaler,
                                   PhaseReport& report) {
  const std::vector<double> agreed = agree(input);
  const double* const values = agreed.data();
  const std::size_t parameters = input.gradients.size(), k = 1 + input.losses.names().size();
  const double* const of_gradients = values + agreed.size() - 2 * parameters;
  double square_sum = 0;
  std::size_t first_overflow = parameters;
  for (std::size_t i = 0; i < parameters; ++i) {
    square_sum += of_gradients[2 * i];
    if (of_gradients[2 * i + 1] > 0) first_overflow = std::min(first_overflow, i);
  }

  report.loss = values[0];
  for (std::size_t i = 0; i < input.losses.names().size(); ++i)
    report.terms.emplace_back(input.losses.names()[i], values[1 + i]);
  report.scale = scaler.scale();
  report.gradient_norm = std::sqrt(square_sum) / report.scale;
  report.rank_seconds.resize(static_cast<std::size_t>(communicator_.size()));
  const double* sums = values + k + 2;
  for (memory::StageSeconds& rank : report.rank_seconds) {
    std::copy(sums, sums + memory::kStages, rank.begin());
    sums += memory::kStages;
  }
  report.overflowed_term = first_not_finite(report);
  if (first_overflow < parameters) {
    report.overflowed = input.parameters[first_overflow].name;
    if (report.overflowed_term.empty()) report.overflowed_by = trace_overflow(input, first_overflow);
  }
  const bool overflowed = values[k] > 0 || !report.overflowed_term.empty();
  core::PhaseConclusion conclusion =
      input.phase.conclude({report.loss, report.terms, {sums, of_gradients}, values[k] == 0});
  for (auto& figure : conclusion.figures) report.terms.push_back(std::move(figure));
  report.overflowed_scale = std::move(conclusion.overflowed_scale);
  report.warning = std::move(conclusion.warning);
  report.warning_delay = conclusion.warning_delay;
  Decision decision;
  decision.stop = values[k + 1] > 0;
  decision.apply = report.overflowed_scale.empty() ? update(scaler, overflowed, report) : false;
  report.skipped = !decision.apply;
  return decision;
}

}  // namespace ebb::step
