// SPDX-License-Identifier: Apache-2.0
#include "cli/plan_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/terminal.h"
#include "base/units.h"
#include "cli/plan_notes.h"
#include "telemetry/memory_json.h"

namespace ebb::cli {
namespace {

constexpr std::int64_t kWidestBar = 40, kNarrowestBar = 10;

std::string count_text(std::int64_t n) {
  const auto count = static_cast<double>(n);
  if (n < 1'000'000) return fmt::format("{} thousand", (n + 500) / 1000);
  return n >= 1'000'000'000 ? fmt::format("{:.2f} billion", count / 1e9)
                            : fmt::format("{:.2f} million", count / 1e6);
}

std::string plural(std::int64_t count, const char* word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

constexpr std::size_t kNameWidth = 13;

std::string line(const char* name, const std::string& text) {
  return fmt::format("{:<12} {}\n", name, text);
}

std::string line_if(const char* name, const std::string& text) {
  return text.empty() ? "" : line(name, text);
}

// Breaks lines that are too long. They go on to the right of the names.
std::string fitted(const std::string& text, int columns) {
  std::string out;
  std::istringstream lines(text);
  for (std::string one; std::getline(lines, one);) {
    const std::size_t lead = std::min(kNameWidth, one.size());
    out += wrap_after(one.substr(0, lead), one.substr(lead), columns) + "\n";
  }
  return out;
}

// Of tables: less where the columns are few.
std::size_t indentation(int columns) {
  return columns < 64 ? 2 : kNameWidth;
}

// The bytes that every rank holds for the model.
std::string held_text(const train::ResourceEstimate& estimate) {
  const std::int64_t all = estimate.parameter_bytes + estimate.gradient_bytes + estimate.optimizer_bytes;
  return fmt::format("{}: parameters {}, gradients {}, residuals and moments {}", format_bytes(all),
                     format_bytes(estimate.parameter_bytes), format_bytes(estimate.gradient_bytes),
                     format_bytes(estimate.optimizer_bytes));
}

std::string seen_text(const train::ResourceEstimate::Measured& seen) {
  return fmt::format(
      "{} resident at most{}, as {} of this run logged", format_bytes(seen.host_bytes),
      seen.device_bytes > 0 ? fmt::format(", {} of its GPU", format_bytes(seen.device_bytes)) : "",
      plural(seen.ranks, "rank"));
}

// The plan beside what the run has logged: the maximum of each class within a step.
std::string comparison(const train::MemoryNeed& need, const train::ResourceEstimate::Measured& seen,
                       int columns) {
  const std::size_t indent = indentation(columns);
  std::string text =
      fmt::format("{:<{}}{:<13} {:>10} {:>12} {:>12}\n", "", indent, "", "plan", "measured", "difference");
  const auto row = [&](std::string_view name, std::int64_t plan, std::int64_t measured) {
    if (plan == 0 && measured == 0) return;
    text += fmt::format("{:<{}}{:<13} {:>10} {:>12} {:>12}\n", "", indent, name, format_bytes(plan),
                        format_bytes(measured), format_bytes(measured - plan));
  };
  for (std::size_t c = 0; c < memory::kClasses; ++c)
    row(memory::kClassNames[c], need.plan.peak[c], seen.peak[c]);
  row("total", need.plan.peak_total, seen.peak_total);
  row("resident", need.of_rank(), seen.host_bytes);
  return text;
}

std::string checkpoint_text(const train::ResourceEstimate& estimate) {
  return estimate.checkpoint.empty() ? "computed from the model: weights, residuals, two moments"
                                     : "measured: " + estimate.checkpoint.string();
}

// The bytes of a rank at its peak, with bars. `limit`: the rank's share of the host, which `|` marks; 0:
// unknown. `sum`: the name of the last row. A whole bar is the larger of need and limit.
std::string bars(const train::MemoryNeed& need, std::int64_t limit, const char* sum, int columns_of_screen) {
  const std::size_t indent = indentation(columns_of_screen);
  // Without the name, the bytes, and the spaces between them.
  const auto width = std::clamp<std::int64_t>(columns_of_screen - static_cast<std::int64_t>(indent) - 27,
                                              kNarrowestBar, kWidestBar);
  const std::int64_t scale = std::max(need.of_rank(), limit);
  const auto columns = [&](std::int64_t bytes) {
    return static_cast<std::size_t>(
        (static_cast<double>(bytes) * static_cast<double>(width) + static_cast<double>(scale) / 2) /
        static_cast<double>(scale));
  };
  std::string text;
  const auto row = [&](std::string_view name, std::int64_t bytes) {
    if (bytes == 0) return;
    std::string bar(columns(bytes), '#');
    if (limit > 0) {
      bar.resize(static_cast<std::size_t>(width) + 1, ' ');
      bar[columns(limit)] = '|';
    }
    text += fmt::format("{:<{}}{:<13} {:>10}  {}", "", indent, name, format_bytes(bytes), bar);
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  };
  std::int64_t total = 0;
  for (std::size_t c = 0; c < memory::kClasses; ++c) {
    row(memory::kClassNames[c], need.plan.run_peak.live[c]);
    total += need.plan.run_peak.live[c];
  }
  row("kept", need.plan.kept);
  row("outside", need.of_rank() - total - need.plan.kept);
  row(sum, need.of_rank());
  return text;
}

std::string peak_text(const train::MemoryPlan& plan) {
  const memory::PeakPoint& peak = plan.run_peak;
  std::string text = fmt::format("in {}", memory::name(peak.stage));
  if (!peak.phase.empty()) text += fmt::format(" of phase {}", peak.phase);
  if (!plan.peak_function.empty()) text += fmt::format(" ({})", plan.peak_function);
  if (!peak.owner.empty()) text += fmt::format(": {} of {}", memory::name(peak.cls), peak.owner);
  return text;
}

// Whether the run fits its host, or each rank its GPU, and the changes that fit or the largest values.
std::string available_text(const PlanFigures& figures) {
  const train::MemoryNeed& need = *figures.need;
  const char* const where = figures.on_gpu ? "each GPU" : "this host";
  if (figures.available.bytes < 0)
    return line(where, figures.on_gpu
                           ? "memory unknown, since this machine has no GPU: give --device-memory"
                           : "memory unknown (neither /proc nor a control group has it): give --host-memory");
  const bool fits = need.of_host() <= figures.available.bytes;
  std::string text =
      line(where, fmt::format("{}: {} {} {}, and there are {}", fits ? "fits" : "does not fit",
                              plural(need.ranks, "rank"), need.ranks == 1 ? "needs" : "need",
                              format_bytes(need.of_host()), format_bytes(figures.available.bytes)));
  if (figures.available.limit != memory::kFreeMemory) text += line("", "(" + figures.available.limit + ")");
  if (figures.chose_micro_batches)
    text += line("batch", fmt::format("data.micro_batches is auto: {} here, {}{}", figures.micro_batches,
                                      fits ? "the fewest that fit" : "and even those do not fit",
                                      figures.on_gpu ? "; GPUs need a number" : ""));
  for (const train::MemoryChange& change : figures.changes)
    text += line("", fmt::format("{} {}", change.fits ? "fits:" : "too large:", change.text));
  for (const PlanFigures::Largest& largest : figures.largest)
    text += line("", largest.found.value == 0
                         ? fmt::format("not even 1 {} fits", largest.name)
                         : fmt::format("fits: {}{} {}", largest.found.exact ? "up to " : "at least ",
                                       largest.found.value, largest.name));
  return text;
}

// The memory of a rank on its GPU and in its host.
std::string gpu_text(const PlanFigures& figures) {
  const train::MemoryNeed& need = *figures.need;
  const std::int64_t limit = std::max<std::int64_t>(0, figures.available.bytes);
  return available_text(figures) +
         line("every rank", fmt::format("{} of its GPU at its peak, one of {}", format_bytes(need.of_rank()),
                                        plural(figures.world_size, "rank"))) +
         bars(need, limit, "GPU memory", figures.columns) +
         line("", "outside: context and NCCL, assumed; kept: by LibTorch's allocator") +
         line("peak", peak_text(need.plan)) +
         line("host", fmt::format("{} of buffers for each rank, without code and libraries",
                                  format_bytes(need.plan.host)));
}

// The memory of every rank: that of a run on CPUs or GPUs, or of the model alone.
std::string memory_text(const PlanFigures& figures) {
  if (!figures.need)
    return line("every rank", held_text(figures.estimate) + "; activations and communication add to it") +
           line("", figures.cannot_plan);
  if (figures.on_gpu) return gpu_text(figures);
  const train::MemoryNeed& need = *figures.need;
  const std::int64_t limit =
      figures.available.bytes < 0 ? 0 : figures.available.bytes / need.ranks + need.process.file;
  return available_text(figures) +
         line("every rank", fmt::format("{} resident at its peak on the CPU, one of {}",
                                        format_bytes(need.of_rank()), plural(figures.world_size, "rank"))) +
         bars(need, limit, "resident", figures.columns) + line_if("", isa_note(figures)) +
         line("peak", peak_text(need.plan)) + line_if("features", features_note(figures));
}

}  // namespace

std::string plan_text(const PlanFigures& figures) {
  const train::ResourceEstimate& estimate = figures.estimate;
  std::string text = line("parameters", count_text(estimate.parameters)) + memory_text(figures);
  if (estimate.measured) text += line("measured", seen_text(*estimate.measured));
  if (estimate.measured && figures.need && !figures.on_gpu && estimate.measured->device_bytes == 0)
    text += comparison(*figures.need, *estimate.measured, figures.columns);
  text += line("checkpoint", fmt::format("{} ({} bytes)", format_bytes(estimate.checkpoint_bytes),
                                         estimate.checkpoint_bytes)) +
          line("", checkpoint_text(estimate));
  text += line("grace", fmt::format("{} s: a checkpoint at {} per second, and a step ({} s)",
                                    figures.values.grace_s, figures.write_rate, figures.values.step_s));
  text += line("/dev/shm", fmt::format("{} for {}", format_bytes(figures.values.shm_bytes),
                                       plural(figures.slots, "rank")));
  if (figures.values.memory_bytes == 0)
    return fitted(text + line("memory limit", "unknown before a run: train a few steps, and plan again"),
                  figures.columns);
  return fitted(
      text + line("memory limit",
                  fmt::format("{} for a worker of {}, {}", format_bytes(figures.values.memory_bytes),
                              plural(figures.slots, "rank"), estimate.measured ? "as logged" : "on CPUs")),
      figures.columns);
}

std::string plan_json(const PlanFigures& figures) {
  if (!figures.need) throw Error(ExitCode::internal, figures.cannot_plan);
  const train::MemoryNeed& need = *figures.need;
  nlohmann::ordered_json json = {
      {"ranks", figures.world_size},
      {"device", figures.on_gpu ? "cuda" : "cpu"},
      {"micro_batches", figures.micro_batches},
      {"live", telemetry::by_class(need.plan.live)},
      {"peak", telemetry::by_class(need.plan.peak)},
      {"peak_total", need.plan.peak_total},
      {"initial_total", need.plan.initial_total},
      {"evaluation_total", need.plan.evaluation_total},
      {"kept", need.plan.kept},
      {"process", need.process.anonymous + need.process.file},
      {"resident", need.of_rank()},
      {figures.on_gpu ? "gpu" : "host",
       {{"ranks", need.ranks},
        {"needed", need.of_host()},
        {"limit", figures.available.bytes < 0 ? nlohmann::ordered_json(nullptr)
                                              : nlohmann::ordered_json(figures.available.bytes)}}}};
  if (figures.on_gpu)
    json["host"] = {{"buffers", need.plan.host}};
  else
    json["isa"] = numerics::name(figures.isa);
  if (figures.features) json["features"] = features_json(*figures.features);
  for (std::size_t s = 0; s < need.plan.stages.size(); ++s)
    json["stages"][std::string(memory::kStageNames[s])] = telemetry::by_class(need.plan.stages[s]);
  return json.dump() + "\n";
}

namespace {

// For Kubernetes: a whole number of Mi.
std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{}Mi", (bytes + (1 << 20) - 1) >> 20);
}

}  // namespace

std::string plan_values(const PlanFigures& figures) {
  const train::ResourceEstimate& estimate = figures.estimate;
  std::string text = fmt::format("# {}, {} parameters; made by: ebb plan --helm-values --slots {}\n",
                                 figures.config, count_text(estimate.parameters), figures.slots);
  text += fmt::format("# {} of a checkpoint, {}\n", format_bytes(estimate.checkpoint_bytes),
                      checkpoint_text(estimate));
  text += fmt::format("checkpointBytes: {}\ncheckpointBytesPerSecond: {}\n", estimate.checkpoint_bytes,
                      figures.bytes_per_s);
  text += fmt::format("terminationGracePeriodSeconds: {}\nshm:\n  size: {}\n", figures.values.grace_s,
                      mebibytes(figures.values.shm_bytes));
  if (figures.values.memory_bytes == 0)
    return text +
           fmt::format(
               "# worker.resources.limits.memory is known after a run of a few steps. Every rank holds "
               "{}\n# (in GPU memory where it trains on a GPU), and activations as well.\n",
               held_text(estimate));
  return text + fmt::format("worker:\n  # {}\n  resources:\n    limits:\n      memory: {}\n",
                            estimate.measured ? seen_text(*estimate.measured) : "as planned for CPUs",
                            mebibytes(figures.values.memory_bytes));
}

}  // namespace ebb::cli
