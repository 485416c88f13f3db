// SPDX-License-Identifier: Apache-2.0
#include "train/evaluation.h"

#include <ATen/core/grad_mode.h>

#include "memory/ledger.h"
#include "step/loss_sums.h"

namespace ebb::train {

Evaluation evaluate(core::Phase& phase, core::UnitRunner& runner, data::EvaluationLoader& split,
                    comm::Communicator& communicator, data::DeviceFeed& feed) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "evaluation");
  split.restart();
  step::LossSums sums;
  for (;;) {
    feed.finish_copy();
    auto part = split.next();
    if (!part) break;
    // A rank without samples in the last batches. The first call gives the names of the terms.
    if (part->size() == 0 && sums.values().defined()) continue;
    part->position += kEvaluationPosition;
    part->global_batch = 1;  // sums; divided by the split's size below
    feed.start_copy(*part);
    sums.add(phase.forward(*part, runner));
  }
  at::Tensor totals = sums.values();
  communicator.all_reduce(totals, "evaluation");
  totals = totals.cpu() / static_cast<double>(split.samples());
  Evaluation result;
  result.samples = split.samples();
  const double* values = totals.data_ptr<double>();
  result.loss = values[0];
  for (std::size_t i = 0; i < sums.names().size(); ++i)
    result.terms.emplace_back(sums.names()[i], values[1 + i]);
  return result;
}

}  // namespace ebb::train
