#pragma once
#include "base/error.h"
#include "comm/world.h"

namespace ebb::doctor {

enum class OutputForm { table, json };

// Examines the machines of all ranks. Rank 0 prints facts and checks to standard output. The code of the
// gravest failed check, the same on every rank. Collective.
ExitCode doctor(const comm::World& world, OutputForm form);

}  // namespace ebb::doctor
