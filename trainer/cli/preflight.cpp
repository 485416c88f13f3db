// SPDX-License-Identifier: Apache-2.0
#include "doctor/preflight.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/ranks.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace ebb::cli {
namespace {

struct PreflightOptions {
  std::int64_t ranks = 0;
  std::string config;
  std::vector<std::string> overrides;
};

ExitCode run(const PreflightOptions& options, const models::Families& families, comm::World& world) {
  train::Config config = load_on_ranks(world, families, options.config, options.overrides);
  memory::install(*new memory::Ledger);  // outlives all tensors
  return doctor::preflight(config, world, options.ranks, report);
}

}  // namespace

void add_preflight(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<PreflightOptions>();
  CLI::App* command = add_command(app, "preflight");
  command->add_option("--ranks", options->ranks, "Number of ranks to expect; 0: as parallel.ranks says")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("CONFIG", options->config, "The YAML file of the run")->required();
  command->add_option("overrides", options->overrides, "key.path=value, applied after the file");
  command->callback([options, &invocation] {
    invocation.run = [options, &invocation] {
      return run_on_ranks(invocation,
                          [&](comm::World& world) { return run(*options, invocation.families, world); });
    };
  });
}

}  // namespace ebb::cli
