// SPDX-License-Identifier: Apache-2.0
#include "train/evaluation.h"

#include <ATen/core/grad_mode.h>

#include <optional>

#include "memory/ledger.h"
#include "step/loss_sums.h"

namespace ebb::train {

namespace {

constexpr std::int64_t kFirstPosition = std::int64_t{1} << 62;  // far beyond the training stream

std::optional<core::Batch> next_part(data::EvaluationLoader& split, data::DeviceFeed& feed) {
  feed.finish_copy();
  auto part = split.next();
  if (!part) return part;
  part->position += kFirstPosition;
  part->global_batch = 1;
  feed.start_copy(*part);
  return part;
}

}  // namespace

void for_each_part(data::EvaluationLoader& split, data::DeviceFeed& feed,
                   const std::function<void(const core::Batch&)>& use) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "evaluation");
  split.restart();
  while (const auto part = next_part(split, feed)) use(*part);
}

void try_evaluation(core::Phase& phase, core::UnitRunner& runner, data::EvaluationLoader& split,
                    data::DeviceFeed& feed) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "evaluation");
  split.restart();
  const auto part = next_part(split, feed);
  if (part && part->size() > 0) (void)phase.forward(*part, runner);
}

Evaluation evaluate(core::Phase& phase, core::UnitRunner& runner, data::EvaluationLoader& split,
                    comm::Communicator& communicator, data::DeviceFeed& feed) {
  step::LossSums sums;
  for_each_part(split, feed, [&](const core::Batch& part) {
    // A rank may have no sample of the last batches. The first call gives the names of the terms.
    if (part.size() > 0 || !sums.values().defined()) sums.add(phase.forward(part, runner));
  });
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "evaluation");
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
