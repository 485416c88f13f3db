// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/cpu_quota.h"
#include "base/terminal.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/plan_text.h"
#include "comm/affinity.h"
#include "memory/cgroup.h"
#include "memory/cpu_allocator.h"
#include "memory/cuda_device.h"
#include "memory/cuda_library.h"
#include "numerics/instruction_set.h"
#include "train/training_data.h"

namespace ebb::cli {
namespace {

struct PlanOptions {
  bool helm_values = false;
  std::string write_rate = "100MiB";
  std::int64_t slots = 1;
  std::int64_t ranks = 0;           // 0: parallel.ranks of the configuration, else those of the logs, else 1
  std::int64_t ranks_per_host = 0;  // 0: all ranks on one host
  std::int64_t threads = 0;         // of a rank; 0: parallel.threads, else its share of the cores
  std::string isa;                  // of the CPUs; empty: run.isa
  std::string host_memory;          // empty: that of this machine
  std::string device;               // "cpu", "cuda"; empty: run.device
  std::string device_memory;        // empty: that of this machine's GPU, if it has one
  bool json = false;
  std::string image;
  std::string config;
  std::vector<std::string> overrides;
};

// `advice`: the end of the error.
std::int64_t bytes_of(const char* option, const std::string& text, const char* advice) {
  const auto bytes = parse_bytes(text);
  if (bytes && *bytes > 0) return *bytes;
  throw Error(ExitCode::usage, fmt::format("plan: {} {} is not a size: {}", option, text, advice));
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

// As train::open_environment() chooses them.
std::int64_t threads_of(const PlanOptions& options, const train::Config& config, int ranks) {
  if (options.threads > 0) return options.threads;
  if (config.parallel.threads > 0) return config.parallel.threads;
  return comm::threads_of_each(comm::measure_affinity().mask_cores, read_cpu_quota().cores, ranks);
}

// As train::open_environment() chooses it.
numerics::InstructionSet isa_of(const PlanOptions& options, const train::Config& config) {
  return numerics::find_instruction_set(options.isa.empty() ? config.run.isa : options.isa)
      .value_or(numerics::best_instruction_set());
}

train::AvailableToRun available_of(const PlanOptions& options, const train::Config& config,
                                   const train::MemoryNeed& need) {
  memory::AvailableMemory host;
  std::int64_t group_limit = -1;
  if (options.host_memory.empty()) {
    host = memory::measure_available_memory(1);  // this process ends before the ranks start
    group_limit = memory::Cgroup().read().limit;
  } else {
    host = {bytes_of("--host-memory", options.host_memory, "give bytes, such as 16GiB"), "--host-memory"};
  }
  return train::available_to_run(
      host, train::rank_budget(config.memory, need.ranks, need.process, group_limit), need.ranks);
}

// run.device, or that of the command line. With auto, the device that a run here would choose.
bool is_for_gpu(const PlanOptions& options, const train::Config& config) {
  if (!options.device.empty()) return options.device == "cuda";
  if (config.run.device != train::DeviceKind::automatic) return config.run.device == train::DeviceKind::cuda;
  return memory::CudaLibrary::is_open() && memory::device_count() > 0;
}

// The memory of one GPU.
train::AvailableToRun available_on_gpu(const PlanOptions& options) {
  if (!options.device_memory.empty())
    return {bytes_of("--device-memory", options.device_memory, "give bytes, such as 80GiB"),
            "--device-memory", true};
  if (!memory::CudaLibrary::is_open() || memory::device_count() == 0) return {-1, "", true};
  return {memory::device_stats(0).device_total, memory::device_name(0), true};
}

// What a run needs, and what it can have.
struct NeedAndAvailable {
  train::MemoryNeed need;
  train::AvailableToRun available;
};

NeedAndAvailable need_on_gpu(const PlanOptions& options, const train::Config& config,
                             const train::PlannedRun& run) {
  if (!options.host_memory.empty() || options.ranks_per_host > 0 || options.threads > 0 ||
      !options.isa.empty())
    throw Error(ExitCode::usage,
                "plan: --host-memory, --ranks-per-host, --threads and --isa are for runs on CPUs, and this "
                "plan is for GPUs: leave them out, or give --device=cpu");
  return {{train::plan_memory(config, run), train::assumed_on_gpu(run.ranks), 1}, available_on_gpu(options)};
}

NeedAndAvailable need_on_host(const PlanOptions& options, const train::Config& config,
                              const train::PlannedRun& run) {
  if (!options.device_memory.empty())
    throw Error(ExitCode::usage, "plan: --device-memory is for runs on GPUs: give --device=cuda as well");
  train::MemoryNeed need;
  need.ranks = options.ranks_per_host > 0
                   ? static_cast<int>(std::min<std::int64_t>(options.ranks_per_host, run.ranks))
                   : run.ranks;
  at::set_num_threads(static_cast<int>(threads_of(options, config, need.ranks)));  // workspaces depend on it
  need.plan = train::plan_memory(config, run);
  need.process = train::with_growth(memory::measure_process_memory(), false);
  return {need, available_of(options, config, need)};
}

// Finds the largest values with which the run fits. `start`: those of the configuration.
std::vector<PlanFigures::Largest> find_largest(const train::Config& start, const train::PlannedRun& run,
                                               const train::MemoryNeed& need, std::int64_t available) {
  const auto need_of = [&](const train::Config& config,
                           const train::PlannedRun& other_run) -> std::optional<std::int64_t> {
    const auto other = train::need_with(need, config, other_run);
    return other ? std::optional(other->of_host()) : std::nullopt;
  };
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  std::vector<PlanFigures::Largest> all;
  const std::int64_t parts = run.ranks * start.data.micro_batch_count();
  all.push_back(
      {"samples of a micro-batch on each rank",
       train::find_largest_value(start.data.batch / parts, kMost, available, [&](std::int64_t samples) {
         train::Config config = start;
         config.data.batch = samples * parts;
         return need_of(config, run);
       })});
  if (!start.data.entry().spec) return all;
  all.push_back({"tokens of context",
                 train::find_largest_value(start.data.context, kMost, available, [&](std::int64_t tokens) {
                   train::Config config = start;
                   config.data.context = tokens;
                   train::PlannedRun other = run;
                   other.sample = train::planned_sample(config, {});
                   return need_of(config, other);
                 })});
  return all;
}

PlanFigures make_figures(const PlanOptions& options, train::Config& config,
                         const models::RunnerFactory& make_runner) {
  PlanFigures figures;
  figures.config = options.config;
  figures.columns = output_columns();
  figures.write_rate = options.write_rate;
  figures.bytes_per_s =
      bytes_of("--write-rate", options.write_rate,
               "give the bytes that the checkpoint volume accepts per second, such as 100MiB");
  figures.slots = options.slots;
  train::PlannedRun run = train::planned_run_here(config, sides_of(options.image), make_runner);
  const std::int64_t given = options.ranks > 0 ? options.ranks : config.parallel.ranks;
  figures.estimate = train::estimate_resources(config, run.sample, given);
  figures.world_size = given > 0 ? given : figures.estimate.measured ? figures.estimate.measured->ranks : 1;
  run.ranks = static_cast<int>(figures.world_size);
  run.device.gpu = figures.on_gpu = is_for_gpu(options, config);
  run.device.isa = figures.isa = isa_of(options, config);
  try {
    auto [need, available] =
        run.device.gpu ? need_on_gpu(options, config, run) : need_on_host(options, config, run);
    figures.available = available;
    if (!config.data.micro_batches) {
      const train::MicroBatches chosen = train::automatic_micro_batches(config, run, need, figures.available);
      config.data.micro_batches = chosen.count;
      need = chosen.need;
      figures.chose_micro_batches = true;
      figures.estimate = train::estimate_resources(config, run.sample, given);
    }
    figures.micro_batches = config.data.micro_batch_count();
    figures.need = need;
  } catch (const train::CannotPlan& error) {
    figures.cannot_plan = error.what();
  }
  if (config.evaluate.samples > 0 && !config.evaluate.features.empty())
    figures.features = {{config.evaluate.features, train::feature_extractor_of(config)}};
  // With run.device auto, a chart's workers may have GPUs.
  const bool on_cpus =
      !figures.on_gpu && (config.run.device == train::DeviceKind::cpu ||
                          (config.run.device == train::DeviceKind::automatic && !options.helm_values));
  figures.values = train::chart_values(figures.estimate, figures.bytes_per_s, options.slots,
                                       on_cpus ? figures.need : std::nullopt);
  const std::int64_t bytes = figures.available.bytes;
  if (!figures.need || bytes < 0 || options.json || options.helm_values) return figures;
  if (figures.need->of_host() > bytes)
    figures.changes = train::find_memory_changes(config, run, *figures.need, figures.available);
  else
    figures.largest = find_largest(config, run, *figures.need, bytes);
  return figures;
}

ExitCode plan(const PlanOptions& options, const train::Registries& registries,
              const models::RunnerFactory& make_runner) {
  if (options.slots < 1)
    throw Error(ExitCode::usage,
                fmt::format("plan: --slots {}: a worker has at least one rank", options.slots));
  train::Config config(registries);
  train::load(config, options.config, options.overrides);
  if (options.device != "cpu" && config.run.device != train::DeviceKind::cpu &&
      memory::CudaLibrary::device_present())
    memory::CudaLibrary::open();
  memory::install(*new memory::Ledger);  // outlives all tensors
  const PlanFigures figures = make_figures(options, config, make_runner);
  const std::string text = options.json          ? plan_json(figures)
                           : options.helm_values ? plan_values(figures)
                                                 : plan_text(figures);
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
  command->add_flag("--json", options->json, "Print the plan by class and stage as JSON")->excludes(helm);
  command
      ->add_option("-n,--ranks", options->ranks,
                   "Ranks of the run (default: parallel.ranks, else those of its logs, else 1)")
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--ranks-per-host", options->ranks_per_host, "Ranks on one host (default: all of them)")
      ->check(CLI::Range(1, 1'000'000));
  command
      ->add_option("--threads", options->threads,
                   "Threads of a rank (default: parallel.threads, else its share of this machine's cores)")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--isa", options->isa,
                   "Instruction set of the CPUs' kernels (default: run.isa, else the best of this processor)")
      ->check(CLI::IsMember(numerics::kInstructionSetNames));
  command->add_option("--host-memory", options->host_memory,
                      "Bytes of a host for its ranks, such as 64GiB (default: what this one has now)");
  command->add_option("--device", options->device, "cpu or cuda (default: run.device)")
      ->check(CLI::IsMember({"cpu", "cuda"}));
  command->add_option("--device-memory", options->device_memory,
                      "Bytes of each GPU, such as 80GiB (default: that of this machine's GPU)");
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
