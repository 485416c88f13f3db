// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "models/family.h"
#include "models/runner_factory.h"

namespace ebb::cli {

// Runs `ebb-core` with these families of models, which must be able to make their models. `train` and
// `sample` run a model's units by the runner that `make_runner` makes. Returns the exit code of the process.
int core_program(int argc, char** argv, const models::Families& families,
                 const models::RunnerFactory& make_runner);

}  // namespace ebb::cli
