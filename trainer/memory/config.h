// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>

#include "config/section.h"

namespace ebb::memory {

// The reaction if live bytes at the end of a step differ from those of the step before: LeakGate.
enum class LeakPolicy { error, warn, off };

// The reaction before the first step if the planned memory exceeds that of the host.
enum class MemoryCheck { error, warn };

struct MemoryConfig {
  LeakPolicy leak = LeakPolicy::error;
  MemoryCheck check = MemoryCheck::error;
  std::int64_t log_every = 1;
  std::int64_t log_limit = std::int64_t{64} << 20;
  std::optional<std::int64_t> budget;  // bytes of a rank; empty: auto
  std::int64_t history = 100'000;
  std::int64_t growth = std::int64_t{32} << 20;
  std::optional<std::int64_t> host_cache;

  void describe(config::Section& s) {
    s.choice("leak", leak,
             {{"error", LeakPolicy::error}, {"warn", LeakPolicy::warn}, {"off", LeakPolicy::off}})
        .doc(
            "The reaction to a step that ends with other live bytes than the step before: end the run, warn, "
            "or nothing.")
        .free_to_change();
    s.choice("check", check, {{"error", MemoryCheck::error}, {"warn", MemoryCheck::warn}})
        .doc(
            "The reaction if a run on CPUs needs more memory than its host has left: end the run before it "
            "allocates the model, or warn. The need is that of `ebb plan`.")
        .free_to_change();
    s.bytes_or_auto("host_cache", host_cache)
        .doc(
            "Limit of the freed host memory that a rank keeps for its next step. auto: kept and used memory "
            "exceed the maximum use of the steps by at most an eighth, or 16 MiB if that is larger. 0: keeps "
            "none, which is slower.")
        .free_to_change();
    s.bytes_or_auto("budget", budget)
        .at_least(1)
        .doc(
            "Limit of the resident memory of each rank. An allocation beyond it ends the run with code 4 "
            "and a report. auto: the limit of the control group, shared by the ranks of the host; none "
            "without such a limit, or with memory.check warn.")
        .free_to_change();
    s.bytes("growth", growth)
        .doc(
            "Growth in 1,000 steps of resident memory outside of tensors and buffers, at which a rank warns "
            "and names "
            "what grew. 0: none.")
        .free_to_change();
    s.integer("history", history)
        .at_least(0)
        .unit("allocations")
        .doc(
            "Last allocations and releases in the snapshot of a memory report, 24 B each (memory.md). 0: "
            "none.")
        .free_to_change();
    s.integer("log_every", log_every)
        .at_least(1)
        .unit("steps")
        .doc("Steps between two lines of RUN/memory/rank-NNNNN.jsonl.")
        .free_to_change();
    s.bytes("log_limit", log_limit)
        .at_least(std::int64_t{1} << 20)
        .doc(
            "Bytes of a rank's memory log. Each eighth is packed as rank-NNNNN.NNNNNN.jsonl.zst, and the "
            "oldest are removed.")
        .free_to_change();
  }
};

}  // namespace ebb::memory
