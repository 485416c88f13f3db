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
  std::string found;             // what there is, with figures
  std::string to_do;             // empty where all is well
  ExitCode code = ExitCode::ok;  // what a run would end with; only of `fail`
};

// Judges what the ranks saw, in rank order. A pure function of the facts: every rank comes to the same list.
std::vector<Check> examine(const std::vector<RankFacts>& ranks);

// What `ebb doctor` ends with: the code of the first failed check of the gravest kind (communication, memory,
// storage, then others).
ExitCode exit_code(const std::vector<Check>& checks);

std::string as_text(const std::vector<Check>& checks);

}  // namespace ebb::doctor
