// SPDX-License-Identifier: Apache-2.0
#include "train/memory_plan.h"

#include <algorithm>

#include "comm/dry_communicator.h"
#include "data/slots.h"
#include "memory/meta_account.h"
#include "step/dry_step_control.h"
#include "train/trainees.h"
#include "train/training_data.h"

namespace ebb::train {
namespace {

using memory::Ledger;

constexpr std::int64_t kSteps = 3;  // the first may differ from the later ones, and a lazy penalty skips some
// The first one makes the sums of gradients, the second adds to them, and the last reduces them. All others
// are like the second.
constexpr std::int64_t kMicroBatches = 3;

// A batch on the meta device.
core::Batch dry_batch(const core::SampleSpec& sample, std::int64_t count, std::int64_t global_batch) {
  core::Batch batch;
  for (const core::FieldSpec& field : sample.fields) {
    std::vector<std::int64_t> dims{count};
    dims.insert(dims.end(), field.dims.begin(), field.dims.end());
    batch.fields.push_back(
        {field.name,
         at::empty(dims, at::TensorOptions().dtype(core::scalar_type(field.type)).device(at::kMeta))});
  }
  batch.ids = at::empty({count}, at::TensorOptions().dtype(at::kLong).device(at::kMeta));
  batch.global_batch = global_batch;
  return batch;
}

// The slots of both loaders. Their batches are views of them.
std::vector<at::Tensor> reserve_slots(const core::SampleSpec& sample, const data::LoaderPlan& training,
                                      const data::EvaluationPlan& evaluation) {
  std::vector<at::Tensor> slots;
  const auto add = [&](std::int64_t count, std::int64_t samples, const char* owner) {
    const memory::Tag tag(memory::Class::data, owner);
    for (std::int64_t i = 0; i < count; ++i)
      slots.push_back(at::empty({data::SlotPool::slot_bytes(sample, samples)},
                                at::TensorOptions().dtype(at::kByte).device(at::kMeta)));
  };
  add(training.slots(), training.rank_micro_batch(), data::kLoaderOwner);
  add(data::kEvaluationSlots, evaluation.rank_part(), data::kEvaluationOwner);
  return slots;
}

void raise(memory::Sums& largest, const memory::Sums& other) {
  for (std::size_t c = 0; c < largest.size(); ++c) largest[c] = std::max(largest[c], other[c]);
}

void raise(MemoryPlan& plan, const Ledger& ledger) {
  for (int s = 0; s < memory::kStages; ++s) {
    const memory::Sums stage = ledger.peak(Ledger::Location::host, static_cast<memory::Stage>(s));
    raise(plan.stages[static_cast<std::size_t>(s)], stage);
    raise(plan.peak, stage);
  }
  plan.peak_total = std::max(plan.peak_total, ledger.peak_total(Ledger::Location::host));
}

MemoryPlan run_dry(const Config& config, const core::SampleSpec& sample, int ranks,
                   const models::RunnerFactory& make_runner) {
  // The batch does not count: it is a view of a slot.
  core::Batch batch =
      dry_batch(sample, loader_plan(config, 0, ranks, {}).rank_micro_batch(), config.data.batch);
  Ledger ledger;
  const memory::MetaAccount account(ledger);
  comm::DryCommunicator communicator(0, ranks);
  Trainees trainees(config, at::kMeta, communicator, sample);
  const std::unique_ptr<core::UnitRunner> runner = make_runner(trainees.model());
  const std::vector<at::Tensor> slots = reserve_slots(
      sample, loader_plan(config, 0, ranks, trainees.batch_plan()), evaluation_plan(config, 0, ranks));
  step::StepSources sources;
  sources.next_batch = [&] { return batch; };
  sources.to_device = [](const core::Batch& stored) { return stored; };
  sources.micro_batches = std::min(config.data.micro_batches, kMicroBatches);
  step::DryStepControl control(ranks);
  memory::LeakGate gate(ledger, memory::LeakPolicy::error);
  step::Step step(trainees.bound_phases(), std::move(sources), control, *runner, ledger, gate);
  MemoryPlan plan;
  const auto run = [&](std::int64_t number) {
    batch.step = number;
    step.run(number);
    raise(plan, ledger);
  };
  for (std::int64_t number = 0; number < kSteps; ++number) run(number);
  if (config.run.steps > kSteps) run(config.run.steps - 1);  // schedules have reached their end
  plan.live = ledger.live(Ledger::Location::host);
  return plan;
}

}  // namespace

MemoryPlan plan_steps(const Config& config, const core::SampleSpec& sample, int ranks,
                      const models::RunnerFactory& make_runner) {
  try {
    return run_dry(config, sample, ranks, make_runner);
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();  // its first sentence names the op
    throw CannotPlan(text.substr(0, text.find(". ")));
  }
}

}  // namespace ebb::train
