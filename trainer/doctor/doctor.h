// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "base/error.h"
#include "comm/world.h"
#include "models/runner_factory.h"
#include "train/config.h"

namespace ebb::doctor {

enum class OutputForm { table, json };

// Examines the machines of all ranks and, with `config`, whether they have what its run needs. Rank 0 prints
// facts and checks to standard output. Returns the code of the worst failed check, the same on every rank.
// It does not write to disk. The ledger must be installed if `config` is given. Collective.
ExitCode doctor(const comm::World& world, OutputForm form, const train::Config* config,
                const models::RunnerFactory& make_runner);

}  // namespace ebb::doctor
