// SPDX-License-Identifier: Apache-2.0
#include "train/summary.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/shell.h"
#include "base/terminal.h"
#include "memory/block_cache.h"
#include "memory/system_memory.h"

namespace ebb::train {

namespace {

bool same_file(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code error;
  return std::filesystem::equivalent(a, b, error) && !error;
}

bool first_on_path(const std::filesystem::path& program) {
  std::istringstream folders(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path candidate = std::filesystem::path(folder) / "ebb";
    if (access(candidate.c_str(), X_OK) == 0) return same_file(candidate, program);
  }
  return false;
}

}  // namespace

std::string program_name() {
  std::error_code error;
  // This process may be ebb-core, which the ebb of the same folder runs. Users call ebb.
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path program = self.parent_path() / "ebb";
  if (error || first_on_path(program)) return "ebb";
  const std::filesystem::path near = std::filesystem::relative(program, error);
  const bool inside = !error && !near.empty() && *near.begin() != "..";
  return inside ? "./" + near.string() : program.string();
}

Summary::Summary(const Config& config, const Environment& environment, const std::optional<MemoryNeed>& need)
    : config_(config), environment_(environment) {
  if (!need) return;
  const MemoryPlan& plan = need->plan;
  planned_ = {plan.run_peak.live, plan.kept, need->of_rank(), plan.phases};
}

void Summary::collect() {
  using Location = memory::Ledger::Location;
  const memory::Ledger& ledger = environment_.ledger;
  telemetry::RankPeaks mine;
  mine.rank = environment_.world.rank();
  mine.host = environment_.world.host();
  mine.host_bytes.classes = ledger.run_peak_point(Location::host).live;
  mine.host_bytes.kept = environment_.cache.overhead_bytes();
  mine.host_bytes.resident = memory::measure_system_memory(ledger).peak_resident;
  mine.device_bytes = ledger.run_peak_point(Location::device).live;
  mine.host_bytes.phases =
      ledger.run_phase_totals(environment_.device.is_cuda() ? Location::device : Location::host);
  peaks_.clear();
  for (const std::string& text : environment_.world.gather_to_all(mine.to_text(), config_.parallel.timeout_s))
    peaks_.push_back(telemetry::RankPeaks::parse(text));
}

namespace {

std::string sample_lines(const Config& config, const std::string& run) {
  std::string lines;
  if (config.run.samples)
    for (const models::SampleFile& file : config.model.family().texts.sample_files)
      lines += fmt::format("  {}/{:<23}{}\n", run, file.name, file.doc);
  return lines;
}

std::string measure_lines(const Evaluation& result) {
  std::string lines;
  for (const models::Measure& measure : result.measures)
    if (!measure.line.empty()) lines += fmt::format("  {}\n", measure.line);
  return lines;
}

// Readers of a checkpoint take nothing from their environment.
std::string sample_overrides(const Config& config) {
  const auto found = config.references.find("data.tokenizer");
  return found == config.references.end() ? ""
                                          : " " + shell_quoted(found->first + "=" + found->second.written);
}

}  // namespace

std::string Summary::text(const Evaluation& result) const {
  const std::string run = config_.run.folder().string(), program = shell_quoted(program_name());
  const models::FamilyTexts& texts = config_.model.family().texts;
  const models::RunFacts facts = config_.facts();
  models::TestResult tested;
  tested.loss = result.loss;
  tested.terms = result.terms;
  tested.samples = result.samples;
  const int columns = output_columns();
  const std::string sample = fmt::format("  {} sample {} {}{}", program, shell_quoted(run),
                                         texts.sample_options(facts), sample_overrides(config_));
  const std::string launch =
      fmt::format("  {} launch -n {} {} {} optimizer.lr={} run.steps={}", program, environment_.world.size(),
                  shell_quoted(run + "/config.yaml"), shell_quoted("run.name=" + config_.run.name + "-lr"),
                  config_.optimizer.lr / 2, std::min<std::int64_t>(100, config_.run.steps));
  return fmt::format(
      "\nDone: {} steps. {}\n{}\n"
      "Memory of each rank at its peak\n{}\n"
      "{}"
      "  {}/memory/                bytes of every step, one file per rank\n"
      "  {}/metrics.jsonl          losses and times of every step\n\n"
      "Next\n"
      "{}\n{}\n"
      "  {} config --explain model\n",
      config_.run.steps, texts.result(tested, facts), measure_lines(result),
      telemetry::peak_table(peaks_, planned_, columns), sample_lines(config_, run), run, run,
      wrap_command(sample, columns), wrap_command(launch, columns), program);
}

}  // namespace ebb::train
