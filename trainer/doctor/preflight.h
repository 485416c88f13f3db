// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "comm/world.h"
#include "models/runner_factory.h"
#include "train/config.h"

namespace ebb::doctor {

using Report = std::function<void(const std::string&)>;

// Checks on every rank what the run of `config` requires: a shared run folder, equal programs, the data,
// space for checkpoints, a device, memory for the planned run, an all-reduce of all ranks. Rank 0 prints a
// table to standard output while the checks run, and reports the first failed check in one line. `ranks`: the
// expected number; 0: the value of parallel.ranks. The ledger must be installed. Collective; the same code on
// every rank.
ExitCode preflight(train::Config& config, comm::World& world, std::int64_t ranks, const Report& report,
                   const models::RunnerFactory& make_runner);

}  // namespace ebb::doctor
