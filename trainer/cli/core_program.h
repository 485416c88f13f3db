// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "models/family.h"

namespace ebb::cli {

// All of `ebb-core` with these families of models, which have to be able to make their models. Returns the
// exit code of the process.
int core_program(int argc, char** argv, const models::Families& families);

}  // namespace ebb::cli
