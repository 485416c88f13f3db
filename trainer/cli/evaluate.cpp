// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/atomic_file.h"
#include "cli/checkpoint_options.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/output_option.h"
#include "cli/ranks.h"
#include "comm/run_on_all_ranks.h"
#include "memory/block_cache.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "train/checkpoint_evaluation.h"

namespace ebb::cli {

namespace {

struct EvaluateOptions {
  CheckpointOptions checkpoint;
  std::string data, json;
  train::EvaluationOptions measures;
};

std::vector<std::string> overrides_of(const EvaluateOptions& options) {
  std::vector<std::string> all = options.checkpoint.overrides;
  // It computes on the CPU, as all commands on checkpoints do.
  for (const char* here : {"run.device=cpu", "run.isa=auto", "parallel.backend=auto", "parallel.ranks=0"})
    all.emplace_back(here);
  if (!options.data.empty()) all.push_back("data.source=" + options.data);
  return all;
}

nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

std::string json_text(const train::EvaluatedCheckpoint& evaluated, const EvaluateOptions& options,
                      const train::LoadedModel& loaded) {
  nlohmann::json measures = nlohmann::json::object(), terms = nlohmann::json::object();
  for (const models::Measure& measure : evaluated.measures) measures[measure.name] = number(measure.value);
  for (const auto& [name, value] : evaluated.result.terms) terms[name] = number(value);
  nlohmann::json features;
  if (evaluated.features)
    features = {{"sha256", evaluated.features->digest},
                {"resize", evaluated.features->resize},
                {"dimension", evaluated.features->dimension}};
  nlohmann::json draws;
  if (evaluated.result.bound) draws = evaluated.result.bound->draws;
  return nlohmann::json{{"features", features},
                        {"draws", draws},
                        {"run", loaded.config.run.name},
                        {"step", loaded.step},
                        {"split", options.measures.split},
                        {"samples", evaluated.result.samples},
                        {"loss", number(evaluated.result.loss)},
                        {"terms", terms},
                        {"measures", measures}}
             .dump(2) +
         "\n";
}

std::string text(const train::EvaluatedCheckpoint& evaluated, const EvaluateOptions& options,
                 const train::LoadedModel& loaded) {
  std::string out = fmt::format(
      "{}, step {}, split {}:\n  {}\n", loaded.config.run.name, loaded.step, options.measures.split,
      loaded.config.model.family().texts.result(evaluated.result, loaded.config.facts()));
  for (const models::Measure& measure : evaluated.measures)
    if (!measure.line.empty()) out += fmt::format("  {}\n", measure.line);
  if (!options.measures.nearest.empty())
    out += fmt::format("  {}: generated images, each with the 5 nearest training images\n",
                       options.measures.nearest);
  return out;
}

ExitCode run(const EvaluateOptions& options, const Invocation& invocation, comm::World& world) {
  constexpr double kTimeout_s = 300;  // until the configuration of the run sets the timeout
  auto* ledger = new memory::Ledger;  // outlives all tensors, as the cache does
  auto* cache = new memory::BlockCache;
  memory::install(*ledger, cache);
  world.report_stages_of(*ledger);
  std::optional<train::LoadedModel> loaded;
  comm::run_on_all_ranks(world, kTimeout_s, [&] {
    check_output_option("--json", options.json, OutputKind::json);
    check_output_option("--nearest", options.measures.nearest, OutputKind::png);
    loaded.emplace(train::load_model(options.checkpoint.path, invocation.registries,
                                     options.checkpoint.choice(), overrides_of(options)));
  });
  train::Environment environment = train::open_environment(loaded->config, world, *ledger, *cache);
  const std::unique_ptr<core::UnitRunner> runner = invocation.make_runner(*loaded->model);
  const train::EvaluatedCheckpoint evaluated =
      train::evaluate_checkpoint(*loaded, *runner, options.measures, environment);
  if (world.rank() == 0) {
    print(text(evaluated, options, *loaded));
    if (!options.json.empty()) write_file_atomically(options.json, json_text(evaluated, options, *loaded));
  }
  if (!std::isfinite(evaluated.result.loss)) {
    if (world.rank() != 0) throw comm::RemoteError(ExitCode::numerics);
    throw Error(ExitCode::numerics, "evaluate: the loss is not finite: the weights have diverged");
  }
  return ExitCode::ok;
}

}  // namespace

void add_evaluate(CLI::App& app, Invocation& invocation) {
  auto* command = add_command(app, "evaluate");
  auto options = std::make_shared<EvaluateOptions>();
  options->checkpoint.add_to(*command);
  command->add_option("--data", options->data, "Dataset to use instead of the run's data.source");
  command->add_option("--split", options->measures.split, "Split to evaluate on")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "test"}));
  command
      ->add_option(
          "--samples", options->measures.samples,
          "Images to generate and compare; 0: none. Default: evaluate.samples of the run, or, if that is 0, "
          "as many as the split has, at most 10000")
      ->check(not_negative());
  command
      ->add_option("--draws", options->measures.draws,
                   "Draws of the importance-weighted bound; 0: no bound. Default: evaluate.draws of the run, "
                   "or, if that is 0, 64")
      ->check(CLI::Range(0, 1 << 20));
  command->add_option("--features", options->measures.features,
                      "TorchScript file that maps images to features, for Frechet distance and others");
  command->add_option("--nearest", options->measures.nearest,
                      "PNG to write: generated images, each with the nearest training images");
  command->add_option("--json", options->json, "File to write all values to, as JSON");
  set_ranks_callback(*command, invocation,
                     [options, &invocation](comm::World& world) { return run(*options, invocation, world); });
}

}  // namespace ebb::cli
