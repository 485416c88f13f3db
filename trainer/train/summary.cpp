#include "train/summary.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <numbers>
#include <sstream>

#include "base/shell.h"
#include "memory/outside.h"

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
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error || first_on_path(program)) return "ebb";
  const std::filesystem::path near = std::filesystem::relative(program, error);
  const bool inside = !error && !near.empty() && *near.begin() != "..";
  return inside ? "./" + near.string() : program.string();
}

Summary::Summary(const Config& config, comm::World& world, memory::Ledger& ledger)
    : config_(config), world_(world), ledger_(ledger) {}

void Summary::collect() {
  using Place = memory::Ledger::Place;
  const memory::Outside outside = memory::measure_outside(ledger_);
  telemetry::RankPeaks mine;
  mine.rank = world_.rank();
  mine.host = world_.host();
  mine.host_bytes = ledger_.peak(Place::host);
  mine.device_bytes = ledger_.peak(Place::device);
  mine.host_total = ledger_.run_peak_total(Place::host);
  mine.device_total = ledger_.run_peak_total(Place::device);
  mine.resident = outside.peak_resident;
  mine.outside = outside.outside_host;
  peaks_.clear();
  for (const std::string& text : world_.gather_to_all(mine.to_text(), config_.parallel.timeout_s))
    peaks_.push_back(telemetry::RankPeaks::parse(text));
}

namespace {

// "test loss 1.4612 nats a token (…), mean of 3417 windows of 128 tokens"
std::string result_line(const Config& config, const Evaluation& result) {
  if (config.data.brings(core::kTokensField))
    return fmt::format(
        "test loss {:.4f} nats a token (perplexity {:.3f}, {:.3f} bits), mean of {} windows of {} tokens",
        result.loss, std::exp(result.loss), result.loss / std::numbers::ln2, result.samples,
        config.data.context);
  std::string parts;
  for (const auto& [name, value] : result.parts)
    parts += fmt::format("{}{} {:.3f}", parts.empty() ? "" : " + ", name, value);
  return fmt::format("test loss {:.4f} nats an image ({}), mean of {} test images", result.loss, parts,
                     result.samples);
}

std::string samples_lines(const Config& config, const std::string& run) {
  if (!config.run.samples) return "";
  if (config.data.brings(core::kTokensField))
    return fmt::format("  {}/samples.txt            beginnings of test windows, and how the model goes on\n",
                       run);
  return fmt::format(
      "  {0}/samples.png            new images\n"
      "  {0}/reconstructions.png    test images, each with the model's below it\n",
      run);
}

std::string sample_command(const Config& config) {
  if (!config.data.brings(core::kTokensField)) return "-o more.png --count 100";
  return config.data.tokenizer == "none" ? "--prompt '1' --tokens 200" : "--prompt 'In the' --tokens 500";
}

}  // namespace

std::string Summary::text(const Evaluation& result) const {
  const std::string run = config_.run.folder().string(), program = shell_quoted(program_name());
  return fmt::format(
      "\nDone: {} steps. {}\n\n"
      "Peak bytes of each rank, by class\n{}\n"
      "{}"
      "  {}/memory/                bytes of every step, a file a rank\n"
      "  {}/metrics.jsonl          losses and times of every step\n\n"
      "Next\n"
      "  {} sample {} {}\n"
      "  {} launch -n {} {} {} optimizer.lr={} run.steps=100\n"
      "  {} config --explain model\n",
      config_.run.steps, result_line(config_, result), telemetry::peak_table(peaks_),
      samples_lines(config_, run), run, run, program, shell_quoted(run), sample_command(config_), program,
      world_.size(), shell_quoted(run + "/config.yaml"), shell_quoted("run.name=" + config_.run.name + "-lr"),
      config_.optimizer.lr / 2, program);
}

}  // namespace ebb::train
