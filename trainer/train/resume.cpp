// SPDX-License-Identifier: Apache-2.0
#include "train/resume.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/manifest.h"
#include "comm/run_on_all_ranks.h"
#include "config/document.h"
#include "data/config.h"
#include "train/run_folder.h"

namespace ebb::train {

namespace {

constexpr const char* kContents = "contents of data.source";
constexpr const char* kMicroBatches = "data.micro_batches";
constexpr const char* kSteps = "run.steps";

// The mathematical keys of this family and format with their defaults.
checkpoint::ConfigValues default_values(const Config& config) {
  Config defaults(config.registries());
  defaults.model.choose(config.model.family().name);
  defaults.data.format = config.data.format;
  return config::mathematical_values(described(defaults));
}

// Returns the integer that a checkpoint has for a key, or 0 if it has none.
std::int64_t saved_integer(const checkpoint::Manifest& manifest, const std::string& wanted) {
  std::int64_t saved = 0;
  for (const auto& [key, value] : manifest.mathematical)
    if (key == wanted) {
      const char* end = value.data() + value.size();
      const auto [stopped, error] = std::from_chars(value.data(), end, saved);
      if (error != std::errc() || stopped != end) saved = 0;
    }
  return saved;
}

// The sections of the family's trainees: NAME.optimizer of each, if it has several.
std::vector<std::string> own_sections(const Config& config) {
  const std::vector<std::string>& trainees = config.model.family().trainees;
  return trainees.size() < 2 ? std::vector<std::string>() : trainees;
}

// The keys whose value 0 makes a learning rate end with the run.
std::vector<std::string> schedules_that_follow_the_run(const Config& config) {
  const auto follows = [](const optim::OptimizerConfig& optimizer) {
    return optimizer.schedule.kind != optim::ScheduleKind::constant && optimizer.schedule.samples == 0;
  };
  std::vector<std::string> keys;
  if (own_sections(config).empty() && follows(config.optimizer))
    keys.emplace_back("optimizer.schedule.samples");
  for (const std::string& name : own_sections(config))
    if (follows(config.trainee(name).optimizer)) keys.push_back(name + ".optimizer.schedule.samples");
  return keys;
}

// More steps change nothing before them if no learning rate ends with the run.
void judge_steps(const Config& config, const checkpoint::Manifest& saved, checkpoint::RunConfiguration& all) {
  const std::int64_t before = saved_integer(saved, kSteps);
  const std::vector<std::string> keys = schedules_that_follow_the_run(config);
  if (keys.empty()) {
    if (config.run.steps > before) all.allowed.emplace_back(kSteps);
    return;
  }
  std::vector<std::string> settings;
  for (const std::string& key : keys)
    settings.push_back(fmt::format("{}={}", key, before * config.data.batch));
  all.advice[kSteps] =
      fmt::format("The learning rate's schedule ends with the run, so it would change. To keep it: {} {}",
                  fmt::join(settings, " "), checkpoint::allow_override(config.checkpoint.allow, keys));
}

}  // namespace

checkpoint::RunConfiguration run_configuration(Config& config, const std::string& contents,
                                               const std::optional<checkpoint::CheckpointFolder>& found) {
  const config::Section section = described(config);
  checkpoint::RunConfiguration all{config::mathematical_values(section, config.references),
                                   config::resolved_yaml(section, config.references),
                                   config::defaulted_keys(config.references)};
  all.mathematical.emplace_back(kContents, contents);
  all.defaults = default_values(config);
  all.defaults.emplace_back(kContents, contents);  // checkpoints of 0.2 have no such entry
  all.free_keys = config::free_keys(section);
  all.allowed = config.checkpoint.allow;
  all.all_keys = config::all_keys(section);
  all.shaping_keys = config::shaping_keys(section);
  for (const auto& [key, value] : all.mathematical)
    for (const std::string& name : own_sections(config))
      if (key.starts_with(name + ".")) all.follows[key] = key.substr(name.size() + 1);
  if (found) judge_steps(config, checkpoint::read_manifest(found->folder), all);
  return all;
}

void take_saved_micro_batches(Config& config, const checkpoint::CheckpointFolder& found, int ranks) {
  if (config.data.micro_batches || config.checkpoint.resume == checkpoint::Resume::force ||
      checkpoint::is_allowed(config.checkpoint.allow, kMicroBatches))
    return;
  const std::int64_t saved =
      std::max<std::int64_t>(saved_integer(checkpoint::read_manifest(found.folder), kMicroBatches), 1);
  if (saved > data::kMostMicroBatches || config.data.batch % (saved * ranks) != 0)
    throw Error(
        ExitCode::usage,
        fmt::format("data.micro_batches is auto, and {} was saved with {}: a batch of {} does not divide "
                    "into these on {} ranks. Resume on another number of ranks, or set {}, which chooses "
                    "again",
                    found.folder.string(), saved, config.data.batch, ranks,
                    checkpoint::allow_override(config.checkpoint.allow, {kMicroBatches})));
  config.data.micro_batches = saved;
}

void finish_rollback(const std::filesystem::path& run) {
  const auto stored = read_rollback(run);
  if (!stored) return;
  const std::filesystem::path checkpoints = run / "checkpoints";
  const auto all = checkpoint::list_checkpoints(checkpoints);
  if (all.empty()) {
    std::error_code ignored;
    std::filesystem::remove(run / "rollback.json", ignored);
    return;
  }
  // A checkpoint of a later step that lies before the divergence is one of those with which it diverged. A
  // damaged one is left to Store::newest().
  for (const auto& found : all) {
    if (found.step <= stored->step) return;
    try {
      const checkpoint::Manifest manifest = checkpoint::read_manifest(found.folder);
      if (whole_number(manifest.values.at("cursor").at("stream_position")) >= stored->end) return;
    } catch (const std::exception&) {
      continue;
    }
    checkpoint::discard_after(checkpoints, stored->step);
    return;
  }
}

std::int64_t position_after_rollback(const Config& config, const comm::World& world,
                                     const checkpoint::CheckpointFolder& found) {
  const auto ends = comm::gather_from_all(world, config.parallel.timeout_s, [&] {
    const auto stored = world.rank() == 0 ? read_rollback(config.run.folder()) : std::nullopt;
    return std::to_string(stored && stored->step == found.step ? stored->end : 0);
  });
  return std::stoll(ends[0]);
}

}  // namespace ebb::train
