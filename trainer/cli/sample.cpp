#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "checkpoint/store.h"
#include "cli/commands.h"
#include "memory/ledger.h"
#include "telemetry/image_grid.h"
#include "train/load_model.h"

namespace ebb::cli {

namespace {

struct SampleOptions {
  std::string checkpoint, out;
  std::int64_t count = 64;
  std::int64_t seed = 0;
};

ExitCode run(const SampleOptions& options) {
  auto* ledger = new memory::Ledger;  // outlives every tensor
  memory::install(*ledger);
  const train::LoadedModel loaded = train::load_model(options.checkpoint);
  core::PlainRunner runner;
  const at::Tensor images =
      loaded.model->sample(options.count, static_cast<std::uint64_t>(options.seed), runner);
  telemetry::write_grid(options.out, images, telemetry::columns_for(options.count));
  std::cout << fmt::format("{} images from step {} of {} are in {}\n", options.count, loaded.step,
                           loaded.run_name, options.out);
  return ExitCode::ok;
}

}  // namespace

void add_sample(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("sample", "Draw new images from a checkpoint into a PNG grid");
  auto options = std::make_shared<SampleOptions>();
  command
      ->add_option("checkpoint", options->checkpoint,
                   "A run's folder (its newest whole checkpoint) or a checkpoint's")
      ->required();
  command->add_option("-o,--out", options->out, "PNG file to write")->required();
  command->add_option("--count", options->count, "How many images")
      ->capture_default_str()
      ->check(CLI::Range(1, 65536));
  command->add_option("--seed", options->seed, "Other images for another seed")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->callback([options, &invocation] { invocation.run = [options] { return run(*options); }; });
}

}  // namespace ebb::cli
