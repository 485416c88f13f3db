// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "comm/world.h"
#include "memory/block_cache.h"
#include "memory/ledger.h"
#include "models/runner_factory.h"
#include "telemetry/heartbeat.h"
#include "train/config.h"

namespace ebb::train {

// Trains according to the configuration, from the newest complete checkpoint if there is one, to the end or
// to a stop. Collective: every rank calls it with the same configuration (compared first). Returns ok or
// stopped; throws Error otherwise. `ledger` and `cache` are those of memory::install(). It calls
// `make_runner` once. `heartbeat`: of this rank; null: nobody asks for it.
ExitCode train(Config& config, comm::World& world, memory::Ledger& ledger, memory::BlockCache& cache,
               const models::RunnerFactory& make_runner, telemetry::Heartbeat* heartbeat);

}  // namespace ebb::train
