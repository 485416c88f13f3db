// SPDX-License-Identifier: Apache-2.0
#include "train/resource_estimate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/round_up.h"
#include "checkpoint/folders.h"
#include "checkpoint/manifest.h"
#include "data/open.h"
#include "models/model.h"
#include "optim/optimizer.h"

namespace ebb::train {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMiB = 1 << 20;
// The entries of one tensor in the header of a shard and in the manifest.
constexpr std::int64_t kEntryBytes = 288;

// Returns the fields that the model reads, without a dataset.
core::SampleSpec spec_of_image(const models::ModelConfig& model, const core::FieldSpec& image) {
  core::SampleSpec spec;
  for (const std::string& field : model.fields()) {
    if (field == core::kImageField) {
      spec.fields.push_back(image);
    } else if (field == core::kLabelField) {
      spec.fields.push_back(core::label_field());
    } else {
      throw Error(ExitCode::usage,
                  fmt::format("plan: {} reads the field {}, whose shape --image does not give: leave --image "
                              "out, and set data.source to the dataset",
                              model.family().name, field));
    }
  }
  return spec;
}

}  // namespace

core::SampleSpec planned_sample(const Config& config, const std::vector<std::int64_t>& image) {
  if (const auto& spec = config.data.entry().spec) return spec(config.data);
  if (!image.empty()) {
    if (image.size() != 3 || std::ranges::any_of(image, [](std::int64_t side) { return side < 1; }))
      throw Error(ExitCode::usage, fmt::format("plan: --image takes three numbers, such as 1x28x28, not {}",
                                               fmt::join(image, "x")));
    return spec_of_image(config.model, core::image_field(image[0], image[1], image[2]));
  }
  try {
    return data::open(config.data, "train", config.model.fields())->spec();
  } catch (const Error& error) {
    throw Error(
        ExitCode::usage,
        "plan: the size of the model depends on that of an image, and the dataset cannot be read: give "
        "--image CxHxW (such as 1x28x28), or set data.source to the dataset",
        error);
  }
}

namespace {

std::int64_t bytes_of(const core::State& state) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : state.tensors) bytes += static_cast<std::int64_t>(tensor.nbytes());
  return bytes;
}

// Adds the bytes of the model and of a checkpoint.
void add_model(const Config& config, const core::SampleSpec& sample, ResourceEstimate& result) {
  const auto model = models::make_model(config.model, sample, config.precision.dtype, at::kMeta,
                                        static_cast<std::uint64_t>(config.run.seed));
  const std::vector<core::Parameter> parameters = models::all_parameters(*model);
  optim::Optimizer optimizer(config.optimizer, parameters);
  const core::State weights = model->state(), moments = optimizer.state();
  for (const core::Parameter& parameter : parameters) result.parameters += parameter.tensor.numel();
  result.parameter_bytes = result.gradient_bytes = bytes_of(weights);
  result.optimizer_bytes = bytes_of(moments);
  auto entries = static_cast<std::int64_t>(weights.tensors.size() + moments.tensors.size());
  for (core::Phase* phase : model->phases()) {
    if (!config.trainee(phase->plan().trainee).average.enabled()) continue;
    for (core::Unit* unit : phase->units())
      for (const core::Parameter& parameter : unit->parameters) {
        result.optimizer_bytes += parameter.tensor.numel() * static_cast<std::int64_t>(sizeof(float));
        ++entries;
      }
  }
  result.checkpoint_bytes = result.parameter_bytes + result.optimizer_bytes + entries * kEntryBytes;
}

// Measures the newest checkpoint, unless its size shows that it belongs to another model.
void measure_checkpoint(const fs::path& run, ResourceEstimate& result) {
  for (const checkpoint::CheckpointFolder& found : checkpoint::list_checkpoints(run / "checkpoints")) {
    try {
      const checkpoint::Manifest manifest = checkpoint::read_manifest(found.folder);
      std::int64_t bytes = static_cast<std::int64_t>(fs::file_size(found.folder / checkpoint::kManifestName));
      for (const checkpoint::ShardFile& file : manifest.files) bytes += file.bytes;
      if (std::abs(bytes - result.checkpoint_bytes) > result.checkpoint_bytes / 5) return;
      result.checkpoint_bytes = bytes;
      result.checkpoint = found.folder;
      return;
    } catch (const std::exception&) {  // skips a damaged checkpoint
    }
  }
}

// Of a pipe in place of the log nothing is read, since that would wait for its writer.
std::ifstream open_log(const fs::path& path) {
  std::error_code none;
  return fs::is_regular_file(path, none) ? std::ifstream(path) : std::ifstream();
}

// Calls `use` for each complete line of a log; of a long log, for those of its last part.
void for_lines(const fs::path& path, const std::function<void(const nlohmann::json&)>& use) {
  constexpr std::uintmax_t kLastPart = 8 << 20;
  std::error_code none;
  const std::uintmax_t size = fs::file_size(path, none);
  std::ifstream in = open_log(path);
  std::string line;
  if (!none && size > kLastPart) {
    in.seekg(static_cast<std::streamoff>(size - kLastPart));
    std::getline(in, line);  // part of a line
  }
  while (std::getline(in, line) && !in.eof()) {  // a line without its end is incomplete
    const nlohmann::json json = parse_json_or_discard(line);
    if (json.is_object()) use(json);
  }
}

// Whether the folder has a run on the same device and with the same keys. Keys that do not change a step may
// differ: the other ones of the section `run`, those of checkpoints, memory.budget and memory.check.
bool has_same_shape(const Config& config, const fs::path& run) {
  try {
    Config own = config, logged(config.registries());
    const fs::path file = run / "config.yaml";
    load_saved(logged, read_file(file, ExitCode::usage), file.string(), {});
    if (logged.run.device != own.run.device || logged.run.isa != own.run.isa) return false;
    logged.run = own.run = RunConfig();
    logged.checkpoint = own.checkpoint;
    logged.memory.budget = own.memory.budget;
    logged.memory.check = own.memory.check;
    if (!own.data.micro_batches) own.data.micro_batches = logged.data.micro_batches;
    return resolved_yaml(own) == resolved_yaml(logged);  // the log has references as they were written
  } catch (const Error&) {                               // no run, or one of a version with other keys
    return false;
  }
}

// The number of bytes or ranks in a line of a log; 0 for anything else.
std::int64_t count_in(const nlohmann::json& line, std::string_view key) {
  const auto found = line.is_object() ? line.find(key) : line.end();
  return found != line.end() && is_whole_number(*found, 0) ? found->get<std::int64_t>() : 0;
}

// The maxima of a step without a save or an evaluation, in a line of the memory log.
void raise_to(ResourceEstimate::Measured& measured, const nlohmann::json& line) {
  const nlohmann::json stages = line.contains("stages") ? line.at("stages") : nlohmann::json();
  if (stages.contains("save") || stages.contains("evaluate")) return;
  measured.peak_total = std::max(measured.peak_total, count_in(line, "peak_total"));
  const nlohmann::json peak = line.contains("peak") ? line.at("peak") : nlohmann::json();
  for (std::size_t c = 0; c < measured.peak.size(); ++c)
    measured.peak[c] = std::max(measured.peak[c], count_in(peak, memory::kClassNames[c]));
}

// Reads the logs of the ranks of the last start. An earlier one may have had another number of ranks.
void read_memory_logs(const fs::path& run, ResourceEstimate& result) {
  const auto log_of = [&](std::int64_t rank) {
    return run / "memory" / fmt::format("rank-{:05}.jsonl", rank);
  };
  std::int64_t ranks = 0;
  // Short lines have no number of ranks. Their steps had the bytes of the whole line before them.
  for_lines(log_of(0), [&](const nlohmann::json& line) {
    if (const std::int64_t written = count_in(line, "ranks"); written > 0) ranks = written;
  });
  if (ranks == 0) return;
  ResourceEstimate::Measured measured;
  measured.ranks = ranks;
  std::error_code none;
  for (std::int64_t rank = 0; rank < ranks && fs::exists(log_of(rank), none); ++rank)
    for_lines(log_of(rank), [&](const nlohmann::json& line) {
      if (count_in(line, "ranks") != ranks) return;
      raise_to(measured, line);
      measured.host_bytes = std::max(measured.host_bytes, count_in(line, "peak_resident"));
      if (const auto device = line.find("device"); device != line.end())
        measured.device_bytes = std::max(measured.device_bytes, count_in(*device, "used"));
    });
  if (measured.host_bytes > 0) result.measured = measured;
}

// Finds the slowest of the newest steps, since a stop may have to wait for such a step.
void read_step_times(const fs::path& run, ResourceEstimate& result) {
  constexpr std::size_t kNewest = 1000;
  std::ifstream in = open_log(run / "metrics.jsonl");
  std::deque<double> newest;
  for (std::string line; std::getline(in, line);) {
    const nlohmann::json step = parse_json_or_discard(line);
    if (!step.is_object() || !step.contains("seconds")) continue;
    double seconds = 0;
    for (const auto& [stage, value] : step.at("seconds").items())
      seconds += value.is_number() ? value.get<double>() : 0;
    newest.push_back(seconds);
    if (newest.size() > kNewest) newest.pop_front();
  }
  for (const double seconds : newest) result.slowest_step_s = std::max(result.slowest_step_s, seconds);
}

}  // namespace

ResourceEstimate estimate_sizes(const Config& config, const core::SampleSpec& sample) {
  ResourceEstimate result;
  add_model(config, sample, result);
  measure_checkpoint(config.run.folder(), result);
  return result;
}

ResourceEstimate estimate_resources(const Config& config, const core::SampleSpec& sample,
                                    std::int64_t world_size) {
  ResourceEstimate result = estimate_sizes(config, sample);
  const fs::path run = config.run.folder();
  if (!has_same_shape(config, run)) return result;
  read_memory_logs(run, result);
  if (world_size > 0 && result.measured && result.measured->ranks != world_size) {
    result.measured.reset();
    return result;
  }
  read_step_times(run, result);
  return result;
}

ChartValues chart_values(const ResourceEstimate& estimate, std::int64_t bytes_per_s,
                         std::int64_t ranks_of_a_worker, const std::optional<MemoryNeed>& need) {
  // The default without a measured step is a minute, as in the chart.
  constexpr std::int64_t kMinStep_s = 60;
  constexpr std::int64_t kShmPerRank = 64 * kMiB, kMinShm = 256 * kMiB;
  constexpr double kMemoryMargin = 1.2;
  ChartValues values;
  values.step_s = std::max(kMinStep_s, static_cast<std::int64_t>(std::ceil(2 * estimate.slowest_step_s)));
  values.grace_s = round_up(values.step_s + (estimate.checkpoint_bytes + bytes_per_s - 1) / bytes_per_s, 10);
  values.shm_bytes = std::max(kMinShm, kShmPerRank * ranks_of_a_worker);
  std::int64_t ranks = 0;
  if (estimate.measured) {
    ranks = estimate.measured->host_bytes * ranks_of_a_worker;
  } else if (need) {
    ranks = ranks_of_a_worker * need->of_rank_alone();
  }
  // Pages of /dev/shm count against the same limit.
  if (ranks > 0)
    values.memory_bytes = round_up(
        static_cast<std::int64_t>(kMemoryMargin * static_cast<double>(ranks)) + values.shm_bytes, 64 * kMiB);
  return values;
}

}  // namespace ebb::train
