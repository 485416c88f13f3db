#include "train/summary.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "base/shell.h"
#include "data/dataset.h"
#include "memory/outside.h"
#include "telemetry/image_grid.h"

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

std::string Summary::text(const Evaluation& result) const {
  const std::string run = config_.run.folder().string(), program = shell_quoted(program_name());
  std::string parts;
  for (const auto& [name, value] : result.parts)
    parts += fmt::format("{}{} {:.3f}", parts.empty() ? "" : " + ", name, value);
  return fmt::format(
      "\nDone: {} steps. test loss {:.4f} nats an image ({}), mean of {} test images\n\n"
      "Peak bytes of each rank, by class\n{}\n"
      "  {}/samples.png            new images\n"
      "  {}/reconstructions.png    test images, each with the model's below it\n"
      "  {}/memory/                bytes of every step, a file a rank\n"
      "  {}/metrics.jsonl          losses and times of every step\n\n"
      "Next\n"
      "  {} sample {} -o more.png --count 100\n"
      "  {} launch -n {} {} {} optimizer.lr={} run.steps=200\n"
      "  {} config --explain model\n",
      config_.run.steps, result.loss, parts, result.samples, telemetry::peak_table(peaks_), run, run, run,
      run, program, shell_quoted(run), program, world_.size(), shell_quoted(run + "/config.yaml"),
      shell_quoted("run.name=" + config_.run.name + "-lr"), config_.optimizer.lr / 2, program);
}

void write_pictures(Session& session, const std::filesystem::path& run) {
  constexpr std::int64_t kSamples = 64, kColumns = 8, kRows = 4;
  telemetry::write_grid(run / "samples.png", session.model->sample(kSamples, 0, session.runner), kColumns);

  const auto dataset = session.open_split("test");
  const data::ImageShape shape = dataset->shape();
  const std::int64_t count = std::min(kColumns * kRows, dataset->size());
  const memory::Tag tag(memory::Class::data, "pictures");
  const at::Tensor originals = at::empty({count, shape.channels, shape.height, shape.width}, at::kByte);
  for (std::int64_t i = 0; i < count; ++i)
    dataset->read(
        i, {static_cast<std::byte*>(originals[i].data_ptr()), static_cast<std::size_t>(shape.bytes())});
  const at::Tensor images = session.model->reconstruct(originals, session.runner);
  std::vector<at::Tensor> rows;  // originals above their reconstructions
  for (std::int64_t first = 0; first < count; first += kColumns) {
    const std::int64_t n = std::min(kColumns, count - first);
    for (const at::Tensor& source : {originals, images}) {
      rows.push_back(source.narrow(0, first, n));
      if (n < kColumns)
        rows.push_back(at::zeros({kColumns - n, shape.channels, shape.height, shape.width}, at::kByte));
    }
  }
  telemetry::write_grid(run / "reconstructions.png", at::cat(rows), kColumns);
}

}  // namespace ebb::train
