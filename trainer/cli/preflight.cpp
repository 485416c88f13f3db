// SPDX-License-Identifier: Apache-2.0
#include "doctor/preflight.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/ranks.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace ebb::cli {
namespace {

struct PreflightOptions {
  std::int64_t ranks = 0;
  ConfigArguments config;
};

ExitCode run(const PreflightOptions& options, const Invocation& invocation, comm::World& world) {
  train::Config config = load_on_ranks(world, invocation.registries, options.config);
  memory::install(*new memory::Ledger);  // outlives all tensors
  return doctor::preflight(config, world, options.ranks, report, invocation.make_runner);
}

}  // namespace

void add_preflight(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<PreflightOptions>();
  CLI::App* command = add_command(app, "preflight");
  command->add_option("--ranks", options->ranks, "Number of ranks to expect; 0: as parallel.ranks says")
      ->capture_default_str()
      ->check(not_negative());
  add_config_arguments(*command, options->config, "The YAML file of the run")->required();
  set_ranks_callback(*command, invocation,
                     [options, &invocation](comm::World& world) { return run(*options, invocation, world); });
}

}  // namespace ebb::cli
