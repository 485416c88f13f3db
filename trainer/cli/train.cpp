// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/ranks.h"
#include "comm/run_on_all_ranks.h"
#include "memory/block_cache.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "telemetry/heartbeat.h"
#include "train/trainer.h"

namespace ebb::cli {

namespace {

struct TrainOptions {
  std::int64_t ranks = 0;
  std::int64_t heartbeat_ms = 0;
  ConfigArguments config;
};

ExitCode run(const TrainOptions& options, const Invocation& invocation, comm::World& world) {
  ::signal(SIGPIPE, SIG_IGN);  // the run goes on without a reader of its output
  // Static objects of libraries may hold tensors after main returns, so the ledger has to outlive them.
  auto* ledger = new memory::Ledger;
  std::optional<telemetry::Heartbeat> heartbeat;
  if (options.heartbeat_ms > 0)
    heartbeat.emplace(world.rank(), world.host(), *ledger, std::chrono::milliseconds(options.heartbeat_ms),
                      STDERR_FILENO);
  train::Config config = load_on_ranks(world, invocation.registries, options.config);
  comm::run_on_all_ranks(world, config.parallel.timeout_s, [&] { world.expect_ranks(options.ranks); });
  auto* cache = new memory::BlockCache;
  if (config.memory.host_cache) cache->set_limit(*config.memory.host_cache);
  memory::install(*ledger, cache);
  world.report_stages_of(*ledger);
  return train::train(config, world, *ledger, *cache, invocation.make_runner,
                      heartbeat ? &*heartbeat : nullptr);
}

}  // namespace

void add_train(CLI::App& app, Invocation& invocation) {
  auto* command = add_command(app, "train");
  auto options = std::make_shared<TrainOptions>();
  command
      ->add_option("--ranks", options->ranks,
                   "Number of ranks to expect (ebb launch passes its -n); 0: as parallel.ranks says")
      ->check(not_negative());
  command
      ->add_option("--heartbeat", options->heartbeat_ms,
                   "Report the progress of each rank on standard error, at most once in so many milliseconds "
                   "(ebb launch passes it, and removes these lines); 0: never")
      ->check(not_negative());
  add_config_arguments(*command, options->config, "The YAML file of the run")->required();
  set_ranks_callback(*command, invocation,
                     [options, &invocation](comm::World& world) { return run(*options, invocation, world); });
}

}  // namespace ebb::cli
