// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "models/runner_factory.h"
#include "train/config.h"

namespace ebb::cli {

// Runs `ebb-core` with these registries. Every family must be able to make its model. `train` and
// `sample` run a model's units by the runner that `make_runner` makes. Returns the exit code of the process.
int core_program(int argc, char** argv, const train::Registries& registries,
                 const models::RunnerFactory& make_runner);

}  // namespace ebb::cli
