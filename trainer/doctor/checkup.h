// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "doctor/machine.h"

namespace ebb::doctor {

enum class Health { ok, warn, fail };

// One line of `ebb doctor`.
struct Check {
  std::string name;  // "memory"
  Health health = Health::ok;
  std::string found;             // what was found, with figures
  std::string to_do;             // how to fix it; empty if the check passes
  ExitCode code = ExitCode::ok;  // exit code of a run with this fault; set for `fail` only
};

// Checks the facts of all ranks, given in rank order. It is a pure function, so every rank gets the same
// list.
std::vector<Check> examine(const std::vector<RankFacts>& ranks);

// Returns the exit code of `ebb doctor`: that of the worst failed check, in the order communication,
// memory, storage, others. ok if none failed.
ExitCode exit_code(const std::vector<Check>& checks);

// One line for each check and what to do about it, wrapped at `columns`.
std::string as_text(const std::vector<Check>& checks, int columns);

}  // namespace ebb::doctor
