// SPDX-License-Identifier: Apache-2.0
#include "train/memory_plan.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "checkpoint/safetensors.h"
#include "comm/dry_communicator.h"
#include "data/slots.h"
#include "memory/dry_cuda_allocator.h"
#include "memory/dry_pages.h"
#include "memory/event_ring.h"
#include "memory/in_place_gradient_sums.h"
#include "memory/meta_account.h"
#include "models/sample_writer.h"
#include "numerics/dry_gpu.h"
#include "step/dry_step_control.h"
#include "step/loss_sums.h"
#include "train/bound_evaluation.h"
#include "train/dry_data.h"
#include "train/image_measures.h"
#include "train/trainees.h"
#include "train/training_data.h"

namespace ebb::train {
namespace {

using memory::Ledger;

constexpr std::int64_t kSteps = 3;  // the first may differ from the later ones, and a lazy penalty skips some
// The first one makes the sums of gradients, the second adds to them, and the last reduces them. All others
// are like the second.
constexpr std::int64_t kMicroBatches = 3;

// Samples of rank 0's first part of an evaluation. 0 test samples: their number is unknown.
std::int64_t evaluated_samples(const data::EvaluationPlan& plan, std::int64_t test_samples) {
  return plan.rank_part(test_samples > 0 ? test_samples : plan.global_batch);
}

// Samples of the last part of an evaluation, of the rank where it is largest among those that are shorter
// than the other parts; 0: none is. The other parts' blocks have other sizes, and stay mapped.
std::int64_t last_evaluated_samples(const data::EvaluationPlan& plan, std::int64_t test_samples) {
  const std::int64_t rest = test_samples > plan.global_batch ? test_samples % plan.global_batch : 0;
  if (rest == 0) return 0;
  const std::int64_t part = plan.rank_part(rest);
  // If it is as long as a full part, the last rank with samples has what is left of them.
  return part < plan.rank_part(plan.global_batch) ? part : rest % part;
}

// How many parts rank 0 has that are as long as its first, at most two: the second holds the sum of the
// first.
std::int64_t full_parts(const data::EvaluationPlan& plan, std::int64_t test_samples) {
  if (test_samples == 0) return 2;
  const std::int64_t rest = test_samples % plan.global_batch;
  const bool rest_is_full = rest > 0 && plan.rank_part(rest) == plan.rank_part(plan.global_batch);
  return std::clamp<std::int64_t>(test_samples / plan.global_batch + (rest_is_full ? 1 : 0), 1, 2);
}

void raise(memory::Sums& largest, const memory::Sums& other) {
  for (std::size_t c = 0; c < largest.size(); ++c) largest[c] = std::max(largest[c], other[c]);
}

class DryRun {
 public:
  DryRun(const Config& config, const PlannedRun& run)
      : config_(config),
        run_(run),
        isa_(run.device.isa),
        batch_(dry_batch(run.sample, loader_plan(config, 0, run.ranks, {}).rank_micro_batch(),
                         config.data.batch)),
        evaluation_(evaluation_plan(config, 0, run.ranks)),
        part_(dry_batch(run.sample, evaluated_samples(evaluation_, run.test_samples), 1)),
        location_(run.device.gpu ? Ledger::Location::device : Ledger::Location::host),
        gpu_(run.device.gpu ? std::make_unique<numerics::DryGpu>(run.device.compute_capability) : nullptr),
        pages_(config.memory.host_cache.value_or(memory::BlockCache::kNoLimit)),
        account_(ledger_, tensor_memory(), location_),
        communicator_(0, run.ranks, run.device.gpu ? at::kCUDA : at::kCPU),
        trainees_(config, at::kMeta, communicator_, run.sample),
        runner_(run.make_runner(trainees_.model())) {}

  MemoryPlan plan() {
    Reservation reserved(ledger_);
    reserve_buffers(reserved);
    const std::vector<at::Tensor> extractor = feature_extractor();
    set_initial_values();
    const std::vector<at::Tensor> blas = blas_workspaces();
    run_steps();
    evaluate();
    plan_.run_peak = ledger_.run_peak_point(location_);
    plan_.phases = ledger_.run_phase_totals(location_);
    plan_.peak_function = account_.peak_function();
    const std::int64_t buffers = reserved.bytes();
    if (run_.device.gpu) {
      plan_.resident = segments_.reserved() + feed_.reserved();
      plan_.host = buffers + std::max(largest_initial_value_, checkpoint::kStagingBytes);
      plan_.kept = plan_.resident - ledger_.run_peak_total(location_);
    } else {
      plan_.resident = pages_.peak_resident() + buffers;
      plan_.kept = pages_.cache().overhead_bytes();
    }
    return plan_;
  }

 private:
  memory::DryMemory& tensor_memory() {
    if (run_.device.gpu) return segments_;
    return pages_;
  }

  void reserve_buffers(Reservation& reserved) {
    using memory::Class;
    const data::LoaderPlan training = loader_plan(config_, 0, run_.ranks, trainees_.batch_plan());
    reserved.add(1, memory::EventRing::bytes_of(config_.memory.history), Class::workspace,
                 memory::EventRing::kOwner);
    reserved.add(1, run_.dataset_bytes, Class::data, data::kShardCache);
    reserved.add(training.slots(), data::SlotPool::slot_bytes(run_.sample, training.rank_micro_batch()),
                 Class::data, data::kLoaderOwner);
    reserved.add(data::kEvaluationSlots, data::SlotPool::slot_bytes(run_.sample, part_.size()), Class::data,
                 data::kEvaluationOwner);
  }

  [[nodiscard]] models::ImageSampler& image_sampler() {
    return image_sampler_of(trainees_.model(), config_.evaluate.samples, config_.model.family().name);
  }

  // As ImageMeasures holds it during the whole run. It finds the same faults.
  [[nodiscard]] std::vector<at::Tensor> feature_extractor() {
    std::vector<at::Tensor> tensors;
    if (config_.evaluate.samples == 0) return tensors;
    (void)image_sampler();
    require_measurable(config_.evaluate, run_.sample.at(core::kImageField), run_.test_samples);
    const memory::Tag tag(memory::Class::parameters, evaluate::kExtractorOwner);
    for (const std::int64_t bytes : run_.feature_extractor)
      tensors.push_back(at::empty({bytes}, at::TensorOptions().dtype(at::kByte).device(at::kMeta)));
    return tensors;
  }

  // Trainees::set_initial_values() makes one value after the other on the CPU. A GPU gets a copy of it.
  void set_initial_values() {
    const memory::Tag tag(memory::Class::workspace, "initial values");
    for (const core::Parameter& parameter : models::all_parameters(trainees_.model())) {
      const at::Tensor value =
          at::empty(parameter.tensor.sizes(), at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
      largest_initial_value_ = std::max(largest_initial_value_, static_cast<std::int64_t>(value.nbytes()));
    }
    plan_.initial_total = ledger_.peak_total(location_);
  }

  void run_steps() {
    step::StepSources sources;
    sources.next_batch = [this] { return batch_; };
    sources.to_device = [this](const core::Batch& stored) { return on_device(stored); };
    sources.micro_batches = std::min(config_.data.micro_batch_count(), kMicroBatches);
    step::DryStepControl control(run_.ranks);
    memory::LeakGate gate(ledger_, memory::LeakPolicy::error);
    step::Step step(trainees_.bound_phases(), std::move(sources), control, *runner_, ledger_, gate);
    const auto run_step = [&](std::int64_t number) {
      batch_.step = number;
      step.run(number);
      pages_.cache().end_step();
      raise_to_step();
    };
    for (std::int64_t number = 0; number < kSteps; ++number) run_step(number);
    if (config_.run.steps > kSteps) run_step(config_.run.steps - 1);  // schedules have reached their end
    plan_.live = ledger_.live(location_);
    // Tensors on the CPU are written and read where they are. Those of a GPU pass through host memory.
    plan_.stages[static_cast<std::size_t>(memory::Stage::save)] = plan_.live;
  }

  // On a GPU: of the thread of forward and of that of backward, from their first matrix products on.
  [[nodiscard]] std::vector<at::Tensor> blas_workspaces() const {
    std::vector<at::Tensor> spaces;
    const memory::Tag tag(memory::Class::workspace, "cuBLAS");
    for (int thread = 0; run_.device.gpu && thread < 2; ++thread)
      spaces.push_back(at::empty({numerics::cublas_workspace_bytes(run_.device.compute_capability)},
                                 at::TensorOptions().dtype(at::kByte).device(at::kMeta)));
    return spaces;
  }

  // A CPU reads a batch where it is.
  [[nodiscard]] core::Batch on_device(const core::Batch& batch) {
    return run_.device.gpu ? feed_.copy(batch) : batch;
  }

  void raise_to_step() {
    for (int s = 0; s < memory::kStages; ++s) {
      const memory::Sums stage = ledger_.peak(location_, static_cast<memory::Stage>(s));
      raise(plan_.stages[static_cast<std::size_t>(s)], stage);
      raise(plan_.peak, stage);
    }
    plan_.peak_total = std::max(plan_.peak_total, ledger_.peak_total(location_));
  }

  void evaluate() {
    const at::NoGradGuard no_grad;
    ledger_.reset_peaks();
    const memory::StageScope stage(ledger_, memory::Stage::evaluate);
    {
      const memory::TemporaryUse temporary(pages_.cache());
      const auto averaged = trainees_.averaged();
      evaluate_loss();
      if (config_.evaluate.draws > 0) plan_bound();
      if (const std::int64_t samples = config_.evaluate.samples; samples > 0)
        plan_image_measures(samples, run_.sample.at(core::kImageField), image_sampler(), *runner_,
                            {communicator_, at::kMeta});
    }
    write_samples();
    plan_.stages[static_cast<std::size_t>(memory::Stage::evaluate)] =
        ledger_.peak(location_, memory::Stage::evaluate);
    plan_.evaluation_total = ledger_.peak_total(location_);
  }

  // As train::evaluate(), of up to two full parts and the last one. They share the sum of the losses.
  void evaluate_loss() {
    const memory::Tag tag(memory::Class::activations, "evaluation");
    step::LossSums sums;
    core::Phase& phase = *trainees_.model().phases().front();
    for (std::int64_t i = full_parts(evaluation_, run_.test_samples); i > 0; --i)
      sums.add(phase.forward(on_device(part_), *runner_));
    const std::int64_t last = last_evaluated_samples(evaluation_, run_.test_samples);
    if (last > 0) sums.add(phase.forward(on_device(dry_batch(run_.sample, last, 1)), *runner_));
  }

  void plan_bound() {
    const std::int64_t draws = config_.evaluate.draws;
    models::BoundEstimator& model = bound_estimator_of(trainees_.model(), draws, config_.model.family().name);
    train::plan_bound(model, draws, *runner_, on_device(part_));
    const std::int64_t last = last_evaluated_samples(evaluation_, run_.test_samples);
    if (last > 0) train::plan_bound(model, draws, *runner_, on_device(dry_batch(run_.sample, last, 1)));
  }

  // As train::write_samples(), but without the reconstructions (half as many images) and the files.
  void write_samples() {
    if (!config_.run.samples && config_.run.sample_every == 0) return;
    const memory::TemporaryUse temporary(pages_.cache());
    const auto averaged = trainees_.averaged();
    if (models::ImageSampler* const images = trainees_.model().image_sampler())
      (void)images->sample(0, models::kNewImages, 0, *runner_);
    if (models::TextSampler* const texts = trainees_.model().text_sampler()) continue_text(*texts);
  }

  // As models::generate() of one text. No token ends a document. It plans one length for each size class of
  // blocks, since a block of each class stays mapped until the end of the samples.
  void continue_text(models::TextSampler& sampler) {
    const std::int64_t context = sampler.context(), tokens = models::kPromptTokens + models::kNewTokens;
    const std::int64_t fed = tokens - 1;  // the last one is only emitted
    models::KeyValueCache cache = sampler.begin(std::min(context, tokens));
    const auto next = [&](std::int64_t before, std::int64_t count) {
      cache.length = before;
      (void)sampler.next(at::full({count}, -1, at::kLong), cache, *runner_);
    };
    const std::int64_t prompt = std::min(models::kPromptTokens, context), last = std::min(context, fed);
    next(0, prompt);
    for (std::int64_t length = prompt; length < last;) {
      next(length, 1);
      const std::int64_t longer = length + std::max<std::int64_t>(1, length / 16);
      length = length < last - 1 ? std::min(longer, last - 1) : last;
    }
    if (fed > context) next(0, std::max<std::int64_t>(1, context / 2));  // the text outgrows the context
  }

  const Config& config_;
  const PlannedRun& run_;
  const numerics::DryInstructionSet isa_;
  core::Batch batch_;  // of a step; a view of a slot, so it counts as no memory
  data::EvaluationPlan evaluation_;
  core::Batch part_;  // of an evaluation; a view as well
  MemoryPlan plan_;
  std::int64_t largest_initial_value_ = 0;
  Ledger ledger_;
  const Ledger::Location location_;  // of tensors
  std::unique_ptr<numerics::DryGpu> gpu_;
  memory::DryPages pages_;
  memory::DryCudaAllocator segments_;
  DryFeed feed_;
  memory::MetaAccount account_;
  memory::InPlaceGradientSums sums_;
  comm::DryCommunicator communicator_;
  Trainees trainees_;
  std::unique_ptr<core::UnitRunner> runner_;
};

}  // namespace

MemoryPlan plan_memory(const Config& config, const PlannedRun& run) {
  try {
    return DryRun(config, run).plan();
  } catch (const std::bad_alloc&) {
    throw CannotPlan("a tensor is larger than an address space");
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();  // its first sentence names the op
    throw CannotPlan(text.substr(0, text.find(". ")));
  }
}

}  // namespace ebb::train
