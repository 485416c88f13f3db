// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <CLI/CLI.hpp>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/ranks.h"
#include "comm/run_on_all_ranks.h"
#include "memory/block_cache.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "train/trainer.h"

namespace ebb::cli {

namespace {

struct TrainOptions {
  std::int64_t ranks = 0;
  ConfigArguments config;
};

ExitCode run(const TrainOptions& options, const Invocation& invocation, comm::World& world) {
  ::signal(SIGPIPE, SIG_IGN);  // the run goes on without a reader of its output
  train::Config config = load_on_ranks(world, invocation.registries, options.config);
  comm::run_on_all_ranks(world, config.parallel.timeout_s, [&] { world.expect_ranks(options.ranks); });
  // Static objects of libraries may hold tensors after main returns, so the ledger has to outlive them.
  auto* ledger = new memory::Ledger;
  auto* cache = new memory::BlockCache;
  if (config.memory.host_cache) cache->set_limit(*config.memory.host_cache);
  memory::install(*ledger, cache);
  world.report_stages_of(*ledger);
  return train::train(config, world, *ledger, *cache, invocation.make_runner);
}

}  // namespace

void add_train(CLI::App& app, Invocation& invocation) {
  auto* command = add_command(app, "train");
  auto options = std::make_shared<TrainOptions>();
  command
      ->add_option("--ranks", options->ranks,
                   "Number of ranks to expect (ebb launch passes its -n); 0: as parallel.ranks says")
      ->check(not_negative());
  add_config_arguments(*command, options->config, "The YAML file of the run")->required();
  set_ranks_callback(*command, invocation,
                     [options, &invocation](comm::World& world) { return run(*options, invocation, world); });
}

}  // namespace ebb::cli
