#include "step/step_control.h"

#include <cmath>

#include "memory/ledger.h"
#include "numerics/update.h"
#include "optim/optimizer.h"

namespace ebb::step {

void LossSums::add(const core::Loss& loss) {
  const memory::Tag tag(memory::Class::workspace, "losses");
  std::vector<at::Tensor> values{loss.loss.detach()};
  for (const auto& [name, value] : loss.parts) values.push_back(value);
  const at::Tensor row = at::stack(values).to(at::kDouble);
  if (values_.defined()) {
    values_.add_(row);
    return;
  }
  values_ = row;
  for (const auto& [name, value] : loss.parts) names_.push_back(name);
}

StepControl::StepControl(comm::Communicator& communicator, std::function<bool()> stop_requested)
    : communicator_(communicator), stop_requested_(std::move(stop_requested)) {}

Decision StepControl::decide(const LossSums& losses, const std::vector<at::Tensor>& gradients,
                             const std::vector<core::Parameter>& parameters, double clip_norm,
                             numerics::LossScaler& scaler, PhaseReport& report) {
  const memory::Tag tag(memory::Class::communication, "agreement");
  double square_sum = 0;
  std::int64_t non_finite = 0;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const numerics::GradientStats stats = numerics::gradient_stats(gradients[i]);
    square_sum += stats.square_sum;
    if (stats.non_finite > 0 && non_finite == 0) report.overflowed = parameters[i].name;
    non_finite += stats.non_finite;
  }

  // [loss, parts…, overflow, stop]: sums over ranks in fp64.
  const std::int64_t k = losses.values().numel();
  at::Tensor message = at::zeros({k + 2}, losses.values().options());
  message.narrow(0, 0, k).copy_(losses.values());
  message[k].fill_(non_finite > 0 ? 1.0 : 0.0);
  message[k + 1].fill_(stop_requested_() ? 1.0 : 0.0);
  communicator_.all_reduce(message, "agreement on loss, overflow and stop");
  const at::Tensor agreed = message.cpu();
  const double* values = agreed.data_ptr<double>();

  report.loss = values[0];
  for (std::size_t i = 0; i < losses.names().size(); ++i)
    report.parts.emplace_back(losses.names()[i], values[1 + i]);
  report.scale = scaler.scale();
  report.gradient_norm = std::sqrt(square_sum) / report.scale;
  Decision decision;
  decision.stop = values[k + 1] > 0;
  decision.accepted = scaler.accept(values[k] > 0);
  report.skipped = !decision.accepted;
  decision.gradient_scale = optim::clip_factor(report.gradient_norm, clip_norm) / report.scale;
  return decision;
}

}  // namespace ebb::step
