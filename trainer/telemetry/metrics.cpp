// SPDX-License-Identifier: Apache-2.0
#include "telemetry/metrics.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "telemetry/log_file.h"

namespace ebb::telemetry {
namespace {

using Json = nlohmann::ordered_json;

std::filesystem::path trimmed(const std::filesystem::path& path, std::int64_t first_step) {
  drop_lines_from(path, first_step);
  return path;
}

Json object(const NamedValues& values) {
  Json json = Json::object();
  for (const auto& [name, value] : values) json[name] = value;
  return json;
}

Json by_stage(const memory::StageSeconds& seconds) {
  Json json = Json::object();
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    if (seconds[i] != 0) json[std::string(memory::kStageNames[i])] = seconds[i];
  }
  return json;
}

// {"forward": [rank 0's, rank 1's, …], …}, rounded to microseconds: it is the longest part of a line.
Json by_stage_and_rank(const std::vector<memory::StageSeconds>& ranks) {
  Json json = Json::object();
  for (std::size_t stage = 0; stage < memory::kStages; ++stage) {
    Json row = Json::array();
    bool any = false;
    for (const memory::StageSeconds& seconds : ranks) {
      row.push_back(std::round(seconds[stage] * 1e6) / 1e6);
      any = any || seconds[stage] != 0;
    }
    if (any) json[std::string(memory::kStageNames[stage])] = std::move(row);
  }
  return json;
}

void add_overflow(const PhaseMetrics& phase, Json& json) {
  if (!phase.overflowed.empty()) json["overflowed"] = phase.overflowed;
  if (!phase.overflowed_term.empty()) json["overflowed_term"] = phase.overflowed_term;
  if (!phase.overflowed_by.empty()) json["overflowed_by"] = phase.overflowed_by;
}

Json phase_object(const PhaseMetrics& phase) {
  Json json = {{"loss", phase.loss},
               {"terms", object(phase.terms)},
               {"lr", phase.lr},
               {"scale", phase.scale},
               {"grad_norm", phase.grad_norm},
               {"runs", phase.runs},
               {"skipped_runs", phase.skipped_runs}};
  add_overflow(phase, json);
  if (!phase.scheduled.empty()) json["scheduled"] = object(phase.scheduled);
  return json;
}

// Combines the figures that a step has once: skipped runs, the first overflow with its loss scale, the time
// of all reductions.
PhaseMetrics together(const std::vector<PhaseMetrics>& phases) {
  PhaseMetrics all;
  all.scale = phases.front().scale;
  for (const PhaseMetrics& phase : phases) {
    if (all.skipped_runs == 0 && phase.skipped_runs > 0) {
      all.scale = phase.scale;
      all.overflowed = phase.overflowed;
      all.overflowed_term = phase.overflowed_term;
      all.overflowed_by = phase.overflowed_by;
    }
    all.skipped_runs += phase.skipped_runs;
    all.reduction_s += phase.reduction_s;
    all.reduction_waited_s += phase.reduction_waited_s;
  }
  return all;
}

}  // namespace

Metrics::Metrics(const std::filesystem::path& run_folder, std::int64_t first_step)
    : file_(trimmed(run_folder / "metrics.jsonl", first_step)) {}

void Metrics::write(const StepMetrics& m) {
  const PhaseMetrics& first = m.phases.front();
  const PhaseMetrics all = together(m.phases);
  Json json = {{"step", m.step},
               {"epoch", m.epoch},
               {"time_s", m.time_s},
               {"loss", first.loss},
               {"terms", object(first.terms)},
               {"lr", first.lr},
               {"scale", all.scale},
               {"skipped", all.skipped_runs > 0},
               {"grad_norm", first.grad_norm}};
  add_overflow(all, json);
  if (!first.scheduled.empty()) json["scheduled"] = object(first.scheduled);
  if (m.phases.size() > 1)
    for (const PhaseMetrics& phase : m.phases) json["phases"][phase.phase] = phase_object(phase);
  json["samples_per_s"] = m.samples_per_s;
  if (!m.unit.name.empty()) json[m.unit.name + "_per_s"] = m.samples_per_s * m.unit.per_sample;
  if (m.mfu > 0) {
    json["mfu"] = m.mfu;
    json["matrix_rate"] = m.matrix_rate;
  }
  json["seconds"] = by_stage(m.seconds);
  if (m.rank_seconds.size() > 1) json["ranks"] = by_stage_and_rank(m.rank_seconds);
  if (all.reduction_s > 0)
    json["reduction"] = {{"s", all.reduction_s},
                         {"hidden", std::clamp(1 - all.reduction_waited_s / all.reduction_s, 0.0, 1.0)}};
  if (m.straggler)
    json["straggler"] = {{"rank", m.straggler->rank},
                         {"stage", memory::name(m.straggler->stage)},
                         {"delay_s", m.straggler->delay_s}};
  json["peak_bytes"] = m.peak_bytes;
  file_.line(json.dump());
}

void Metrics::write_evaluation(std::int64_t steps_done, const NamedValues& values,
                               const std::optional<StepTimeSummary>& steps) {
  Json json = {{"step", steps_done}, {"eval", object(values)}};
  if (steps)
    json["steps"] = {{"count", steps->steps},
                     {"p50_s", steps->p50_s},
                     {"p95_s", steps->p95_s},
                     {"share", by_stage(steps->share)}};
  file_.line(json.dump());
}

void Metrics::write_rollback(std::int64_t steps_done, std::int64_t diverged_at,
                             std::pair<std::int64_t, std::int64_t> skipped) {
  const Json rollback = {{"diverged_at", diverged_at}, {"skipped", {skipped.first, skipped.second}}};
  file_.line(Json{{"step", steps_done}, {"rollback", rollback}}.dump());
}

void Metrics::write_changes(std::int64_t steps_done, const std::vector<ConfigChange>& changes) {
  const auto value = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  Json changed = Json::object();
  for (const ConfigChange& change : changes)
    changed[change.key] = {{"before", value(change.before)}, {"now", value(change.now)}};
  file_.line(Json{{"step", steps_done}, {"changed", changed}}.dump());
}

}  // namespace ebb::telemetry
