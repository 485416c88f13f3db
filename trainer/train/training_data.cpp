// SPDX-License-Identifier: Apache-2.0
#include "train/training_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/units.h"
#include "comm/run_on_all_ranks.h"
#include "core/sample.h"
#include "data/open.h"
#include "memory/cgroup.h"
#include "memory/oom_kills.h"

namespace ebb::train {

namespace {

data::LoaderPlan loader_plan(const Config& config, const Environment& environment, const BatchPlan& batches,
                             const Cursor& cursor) {
  data::LoaderPlan plan = loader_plan(config, environment.world.rank(), environment.world.size(), batches);
  plan.pinned = environment.device.is_cuda();
  plan.skipped_batches = cursor.skipped_samples() / plan.global_batch;
  return plan;
}

data::EvaluationPlan evaluation_plan(const Config& config, const Environment& environment) {
  data::EvaluationPlan plan = evaluation_plan(config, environment.world.rank(), environment.world.size());
  plan.pinned = environment.device.is_cuda();
  return plan;
}

// After a kill for lack of memory the kernel would kill the next start too, so it ends with Error(memory).
// The launcher may run on another host and sees only signal 9, so it cannot report the cause.
void require_memory_lasted() {
  if (!memory::oom_killed_before_this_start()) return;
  const std::int64_t limit = memory::Cgroup().read().limit;
  throw Error(
      ExitCode::memory,
      fmt::format(
          "the kernel killed a process of this worker for lack of memory{}, during the previous start: lower "
          "data.batch or raise data.micro_batches, run fewer ranks in a worker, or raise its limit",
          limit > 0 ? fmt::format(" (its limit is {})", format_bytes(limit)) : ""));
}

// "image u8 [1, 28, 28], label i64 []".
std::string fields_text(const core::SampleSpec& spec) {
  std::string text;
  for (const core::FieldSpec& field : spec.fields)
    text += fmt::format("{}{} {} [{}]", text.empty() ? "" : ", ", field.name, core::name(field.type),
                        fmt::join(field.dims, ", "));
  return text;
}

// The model is made for the samples of the training split, and would fail in the first evaluation on others.
void require_same_samples(const Config& config, const Splits& splits) {
  const core::SampleSpec &train = splits.train->spec(), &test = splits.test->spec();
  if (train == test) return;
  const std::filesystem::path source = config.data.source;
  throw Error(ExitCode::data,
              fmt::format("the splits have different samples: {} has {}, but {} has {}. Pack both with the "
                          "same options, or set data.source to a dataset whose splits agree",
                          (source / "train").string(), fields_text(train), (source / "test").string(),
                          fields_text(test)));
}

}  // namespace

std::string contents_of_all_ranks(const Config& config, const Splits& splits, const comm::World& world) {
  const double timeout_s = config.parallel.timeout_s;
  const auto contents = [&] {
    return fmt::format("{} samples, digest {}", splits.train->size(), splits.train->digest());
  };
  const std::vector<std::string> all = comm::gather_from_all(world, timeout_s, contents);
  const auto other = std::ranges::find_if(all, [&](const std::string& one) { return one != all[0]; });
  comm::run_on_all_ranks(world, timeout_s, [&] {
    if (other == all.end() || world.rank() != other - all.begin()) return;
    throw Error(ExitCode::data,
                fmt::format("the training split in {} has {} on {}, but {} on the host of rank 0: copy the "
                            "same dataset to every host",
                            config.data.source, *other, world.host(), all[0]));
  });
  return all[0];
}

data::LoaderPlan loader_plan(const Config& config, int rank, int ranks, const BatchPlan& batches) {
  data::LoaderPlan plan;
  plan.global_batch = config.data.batch;
  plan.micro_batches = config.data.micro_batch_count();
  plan.rank = rank;
  plan.ranks = ranks;
  plan.seed = static_cast<std::uint64_t>(config.run.seed);
  plan.shuffle = config.data.shuffle;
  plan.batches_per_step = batches.per_step;
  plan.prefetch = config.data.prefetch;
  if (batches.kept) plan.held = plan.micro_batches;
  return plan;
}

data::EvaluationPlan evaluation_plan(const Config& config, int rank, int ranks) {
  return {config.data.batch / config.data.micro_batch_count(), rank, ranks};
}

std::unique_ptr<data::Dataset> open_split(const Config& config, const std::string& split,
                                          const std::vector<std::string>& fields) {
  const models::FamilyConfig& model = config.model.chosen();
  return data::open(config.data, split, fields, model.vocabulary(), model.classes());
}

Splits open_splits(const Config& config, const comm::World& world) {
  require_memory_lasted();
  (void)loader_plan(config, world.rank(), world.size(), {}).rank_micro_batch();
  return open_splits(config);
}

Splits open_splits(const Config& config) {
  Splits splits;
  const std::vector<std::string> fields = config.model.fields();
  splits.train = open_split(config, "train", fields);
  splits.test = open_split(config, "test", fields);
  require_same_samples(config, splits);
  return splits;
}

at::Tensor read_images(data::Dataset& dataset, std::int64_t first, std::int64_t count, std::int64_t of) {
  const memory::Tag tag(memory::Class::data, "pictures");
  const core::FieldSpec& image = dataset.spec().at(core::kImageField);
  const at::Tensor out = at::empty({count, image.dims[0], image.dims[1], image.dims[2]}, at::kByte);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::span bytes(static_cast<std::byte*>(out[i].data_ptr()),
                          static_cast<std::size_t>(image.bytes()));
    dataset.read((first + i) * dataset.size() / of, {&bytes, 1});
  }
  return out;
}

TrainingData::TrainingData(const Config& config, const Environment& environment, Splits splits,
                           const BatchPlan& batches, const Cursor& cursor)
    : micro_batches_(config.data.micro_batch_count()),
      feed_(environment.device),
      loader_(std::move(splits.train), loader_plan(config, environment, batches, cursor), cursor.step),
      test_(std::move(splits.test), evaluation_plan(config, environment)) {}

step::StepSources TrainingData::sources() {
  step::StepSources sources;
  sources.next_batch = [this] {
    feed_.finish_copy();
    return loader_.next();
  };
  sources.to_device = [this](const core::Batch& stored) {
    feed_.finish_copy();
    core::Batch batch = stored;
    feed_.start_copy(batch);
    return batch;
  };
  sources.micro_batches = micro_batches_;
  return sources;
}

}  // namespace ebb::train
