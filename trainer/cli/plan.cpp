// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/units.h"
#include "cli/commands.h"
#include "memory/cpu_allocator.h"
#include "telemetry/memory_json.h"
#include "train/memory_plan.h"
#include "train/resource_estimate.h"

namespace ebb::cli {
namespace {

struct PlanOptions {
  bool helm_values = false;
  std::string write_rate = "100MiB";
  std::int64_t slots = 1;
  std::int64_t ranks = 0;  // 0: parallel.ranks of the configuration, else 1
  bool json = false;
  std::string image;
  std::string config;
  std::vector<std::string> overrides;
};

std::int64_t rate_of(const PlanOptions& options) {
  const auto rate = parse_bytes(options.write_rate);
  if (rate && *rate > 0) return *rate;
  throw Error(ExitCode::usage,
              fmt::format("plan: --write-rate {} is not a size: give the bytes that the checkpoint "
                          "volume accepts per second, such as 100MiB",
                          options.write_rate));
}

// Parses "1x28x28"; a part that is not a number becomes 0, which planned_sample() refuses.
std::vector<std::int64_t> sides_of(const std::string& image) {
  std::vector<std::int64_t> sides;
  std::istringstream parts(image);
  for (std::string part; std::getline(parts, part, 'x');)
    sides.push_back(part.find_first_not_of("0123456789") == std::string::npos && part.size() < 10
                        ? std::atoll(part.c_str())
                        : 0);
  return sides;
}

std::string count_text(std::int64_t n) {
  const auto count = static_cast<double>(n);
  if (n < 1'000'000) return fmt::format("{} thousand", (n + 500) / 1000);
  return n >= 1'000'000'000 ? fmt::format("{:.2f} billion", count / 1e9)
                            : fmt::format("{:.2f} million", count / 1e6);
}

// Formats the bytes that every rank holds for the model.
std::string held_text(const train::ResourceEstimate& estimate) {
  const std::int64_t all = estimate.parameter_bytes + estimate.gradient_bytes + estimate.optimizer_bytes;
  return fmt::format("{}: parameters {}, gradients {}, residuals and moments {}", format_bytes(all),
                     format_bytes(estimate.parameter_bytes), format_bytes(estimate.gradient_bytes),
                     format_bytes(estimate.optimizer_bytes));
}

std::string seen_text(const train::ResourceEstimate::Measured& seen) {
  return fmt::format(
      "{} resident at most{}, as {} rank{} of this run logged", format_bytes(seen.host_bytes),
      seen.device_bytes > 0 ? fmt::format(", {} of its GPU", format_bytes(seen.device_bytes)) : "",
      seen.ranks, seen.ranks == 1 ? "" : "s");
}

std::string checkpoint_text(const train::ResourceEstimate& estimate) {
  return estimate.checkpoint.empty() ? "computed from the model: weights, residuals, two moments"
                                     : "measured: " + estimate.checkpoint.string();
}

// The maximum of each class in a step. The maxima need not coincide.
std::string classes_text(const memory::Sums& peak) {
  std::string text;
  for (int c = 0; c < memory::kClasses; ++c)
    if (peak[static_cast<std::size_t>(c)] > 0)
      text += fmt::format("{:<12}   {:<14} {:>10}\n", "", memory::kClassNames[static_cast<std::size_t>(c)],
                          format_bytes(peak[static_cast<std::size_t>(c)]));
  return text;
}

// The bytes of every rank: those of a step, or of the model if `plan` throws CannotPlan.
std::string memory_text(const train::ResourceEstimate& estimate,
                        const std::function<train::MemoryPlan()>& plan, const PlanOptions& options) {
  try {
    const train::MemoryPlan memory = plan();
    return fmt::format(
        "{:<12} {} at the peak of a step on the CPU, as one of {} rank{}\n{:<12} the most of each class:\n{}",
        "every rank", format_bytes(memory.peak_total), options.ranks, options.ranks == 1 ? "" : "s", "",
        classes_text(memory.peak));
  } catch (const train::CannotPlan& error) {
    return fmt::format("{:<12} {}; activations and communication add to it\n{:<12} {}\n", "every rank",
                       held_text(estimate), "", error.what());
  }
}

std::string as_text(const train::ResourceEstimate& estimate, const std::string& memory,
                    const train::ChartValues& values, const PlanOptions& options) {
  std::string text = fmt::format("{:<12} {}\n", "parameters", count_text(estimate.parameters)) + memory;
  if (estimate.measured) text += fmt::format("{:<12} {}\n", "", seen_text(*estimate.measured));
  text += fmt::format("{:<12} {} ({} bytes), {}\n", "checkpoint", format_bytes(estimate.checkpoint_bytes),
                      estimate.checkpoint_bytes, checkpoint_text(estimate));
  text += fmt::format("{:<12} {} s: a checkpoint at {} per second, and a step ({} s)\n", "grace",
                      values.grace_s, options.write_rate, values.step_s);
  text += fmt::format("{:<12} {} for {} rank{}\n", "/dev/shm", format_bytes(values.shm_bytes), options.slots,
                      options.slots == 1 ? "" : "s");
  text += fmt::format(
      "{:<12} {}\n", "memory limit",
      values.memory_bytes > 0
          ? format_bytes(values.memory_bytes) + " of a worker: a fifth above what was logged, and /dev/shm"
          : "unknown before a run: train a few steps (run.steps=20) and plan again");
  return text;
}

std::string as_json(const train::MemoryPlan& memory, const PlanOptions& options) {
  nlohmann::ordered_json json = {{"ranks", options.ranks},
                                 {"device", "cpu"},
                                 {"live", telemetry::by_class(memory.live)},
                                 {"peak", telemetry::by_class(memory.peak)},
                                 {"peak_total", memory.peak_total}};
  for (std::size_t s = 0; s < memory.stages.size(); ++s)
    json["stages"][std::string(memory::kStageNames[s])] = telemetry::by_class(memory.stages[s]);
  return json.dump() + "\n";
}

// For Kubernetes: a whole number of Mi.
std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{}Mi", (bytes + (1 << 20) - 1) >> 20);
}

std::string as_values(const train::ResourceEstimate& estimate, const train::ChartValues& values,
                      const PlanOptions& options) {
  std::string text = fmt::format("# {}, {} parameters; made by: ebb plan --helm-values --slots {}\n",
                                 options.config, count_text(estimate.parameters), options.slots);
  text += fmt::format("# {} of a checkpoint, {}\n", format_bytes(estimate.checkpoint_bytes),
                      checkpoint_text(estimate));
  text += fmt::format("checkpointBytes: {}\ncheckpointBytesPerSecond: {}\n", estimate.checkpoint_bytes,
                      rate_of(options));
  text += fmt::format("terminationGracePeriodSeconds: {}\nshm:\n  size: {}\n", values.grace_s,
                      mebibytes(values.shm_bytes));
  if (values.memory_bytes > 0) {
    text += fmt::format("worker:\n  # {}\n  resources:\n    limits:\n      memory: {}\n",
                        seen_text(*estimate.measured), mebibytes(values.memory_bytes));
  } else {
    text += fmt::format(
        "# worker.resources.limits.memory is known after a run of a few steps. Every rank holds {}\n"
        "# (in GPU memory where it trains on a GPU), and activations as well.\n",
        held_text(estimate));
  }
  return text;
}

ExitCode plan(PlanOptions options, const train::Registries& registries,
              const models::RunnerFactory& make_runner) {
  if (options.slots < 1)
    throw Error(ExitCode::usage,
                fmt::format("plan: --slots {}: a worker has at least one rank", options.slots));
  const std::int64_t rate = rate_of(options);
  memory::install(*new memory::Ledger);  // outlives all tensors
  train::Config config(registries);
  train::load(config, options.config, options.overrides);
  if (options.ranks == 0) options.ranks = std::max<std::int64_t>(1, config.parallel.ranks);
  const core::SampleSpec sample = train::planned_sample(config, sides_of(options.image));
  const auto memory = [&] {
    return train::plan_steps(config, sample, static_cast<int>(options.ranks), make_runner);
  };
  std::string text;
  if (options.json) {
    text = as_json(memory(), options);
  } else {
    const train::ResourceEstimate estimate = train::estimate_resources(config, sample);
    const train::ChartValues values = train::chart_values(estimate, rate, options.slots);
    text = options.helm_values ? as_values(estimate, values, options)
                               : as_text(estimate, memory_text(estimate, memory, options), values, options);
  }
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  return ExitCode::ok;
}

}  // namespace

void add_plan(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command = add_command(app, "plan");
  CLI::Option* const helm =
      command->add_flag("--helm-values", options->helm_values, "Print them as values for charts/ebb");
  command->add_flag("--json", options->json, "Print the bytes of a step by class and stage as JSON")
      ->excludes(helm);
  command->add_option("-n,--ranks", options->ranks, "Ranks of the run (default: parallel.ranks, else 1)")
      ->check(CLI::Range(1, 1'000'000));
  command
      ->add_option("--write-rate", options->write_rate, "Bytes that the checkpoint volume accepts per second")
      ->capture_default_str();
  command->add_option("--slots", options->slots, "Ranks of one worker (slotsPerWorker)")
      ->capture_default_str();
  command->add_option("--image", options->image,
                      "CxHxW of a sample, for a run of images without its dataset");
  command->add_option("CONFIG", options->config, "The YAML file of the run")->required();
  command->add_option("overrides", options->overrides, "key.path=value, applied after the file");
  command->callback([options, &invocation] {
    invocation.run = [options, &invocation] {
      return plan(*options, invocation.registries, invocation.make_runner);
    };
  });
}

}  // namespace ebb::cli
