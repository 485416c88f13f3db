// SPDX-License-Identifier: Apache-2.0
#include "step/loss_sums.h"

#include "memory/ledger.h"

namespace ebb::step {

void LossSums::add(const core::Loss& loss) {
  const memory::Tag tag(memory::Class::workspace, "losses");
  std::vector<at::Tensor> values{loss.loss.detach()};
  for (const auto& [name, value] : loss.terms) values.push_back(value);
  const at::Tensor row = at::stack(values).to(at::kDouble);
  const at::Tensor sums = loss.sums.defined() ? loss.sums.to(at::kDouble) : row.narrow(0, 0, 0);
  if (values_.defined()) {
    values_.add_(row);
    sums_.add_(sums);
    return;
  }
  values_ = row;
  sums_ = sums;
  for (const auto& [name, value] : loss.terms) names_.push_back(name);
  for (const auto& [name, value] : loss.parts) parts_.push_back(name);
}

}  // namespace ebb::step
