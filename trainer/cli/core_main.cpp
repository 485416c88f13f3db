// SPDX-License-Identifier: Apache-2.0
// `ebb-core`: the commands that need LibTorch. Users call `ebb`, and mpirun starts this program for
// every rank. All its messages name `ebb`.
#include "cli/core_program.h"
#include "data/format.h"
#include "models/built_in.h"
#include "models/model.h"
#include "models/runner_factory.h"

int main(int argc, char** argv) {
  return ebb::cli::core_program(argc, argv, {ebb::models::built_in_families(), ebb::data::builtin_formats()},
                                ebb::models::make_plain_runner);
}
