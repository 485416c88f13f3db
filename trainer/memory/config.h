// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>

#include "config/section.h"

namespace ebb::memory {

// The reaction if live bytes at the end of a step differ from those of the step before: LeakGate.
enum class LeakPolicy { error, warn, off };

struct MemoryConfig {
  LeakPolicy leak = LeakPolicy::error;
  std::int64_t log_every = 1;

  std::optional<std::int64_t> host_cache;

  void describe(config::Section& s) {
    s.choice("leak", leak,
             {{"error", LeakPolicy::error}, {"warn", LeakPolicy::warn}, {"off", LeakPolicy::off}})
        .doc(
            "What happens when a step ends with other bytes alive than the step before: end the run, say so, "
            "or nothing.")
        .free_to_change();
    s.bytes_or_auto("host_cache", host_cache)
        .doc(
            "Freed blocks of host memory that a rank keeps for its next step, at most. auto: what its steps "
            "use, within an eighth above the most that they hold at once; 0: none, which is slower.")
        .free_to_change();
    s.removed("budget", "leave it out: this version enforces no budget");
    s.integer("log_every", log_every)
        .at_least(1)
        .unit("steps")
        .doc("Steps between two lines of RUN/memory/rank-NNNNN.jsonl.")
        .free_to_change();
  }
};

}  // namespace ebb::memory
