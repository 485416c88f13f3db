// SPDX-License-Identifier: Apache-2.0
#include "step/loss_sums.h"

#include "memory/ledger.h"

namespace ebb::step {

void LossSums::add(const core::Loss& loss) {
  const memory::Tag tag(memory::Class::workspace, "losses");
  std::vector<at::Tensor> values{loss.loss.detach()};
  for (const auto& [name, value] : loss.terms) values.push_back(value);
  const at::Tensor row = at::stack(values).to(at::kDouble);
  if (values_.defined()) {
    values_.add_(row);
    return;
  }
  values_ = row;
  for (const auto& [name, value] : loss.terms) names_.push_back(name);
}

}  // namespace ebb::step
