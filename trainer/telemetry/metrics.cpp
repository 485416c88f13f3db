#include "telemetry/metrics.h"

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

Json by_stage(const std::array<double, memory::kStages>& seconds) {
  Json json = Json::object();
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    if (seconds[i] != 0) json[std::string(memory::kStageNames[i])] = seconds[i];
  }
  return json;
}

}  // namespace

Metrics::Metrics(const std::filesystem::path& run_folder, std::int64_t first_step)
    : file_(trimmed(run_folder / "metrics.jsonl", first_step)) {}

void Metrics::write(const StepMetrics& m) {
  Json json = {{"step", m.step},   {"epoch", m.epoch},         {"time_s", m.time_s},
               {"loss", m.loss},   {"parts", object(m.parts)}, {"lr", m.lr},
               {"scale", m.scale}, {"skipped", m.skipped},     {"grad_norm", m.grad_norm}};
  if (!m.overflowed.empty()) json["overflowed"] = m.overflowed;
  json["samples_per_s"] = m.samples_per_s;
  json["seconds"] = by_stage(m.seconds);
  json["peak_bytes"] = m.peak_bytes;
  file_.line(json.dump());
}

void Metrics::write_evaluation(std::int64_t steps_done, const NamedValues& values) {
  file_.line(Json{{"step", steps_done}, {"eval", object(values)}}.dump());
}

}  // namespace ebb::telemetry
