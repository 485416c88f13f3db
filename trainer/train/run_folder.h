// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "train/config.h"

namespace ebb::train {

// RUN/: config.yaml (resolved), metrics.jsonl, memory/, checkpoints/, results.json, samples.png,
// reconstructions.png, rollback.json, lease.json. Only rank 0 calls these functions.
// Removes temporary files that a killed run left in RUN and RUN/memory. The caller holds the lease.
void remove_leftovers(const std::filesystem::path& run);
void write_configuration(const std::filesystem::path& run, const std::string& resolved_yaml);

// The results of a finished run, which another start prints again.
struct Results {
  std::int64_t steps = 0;
  double test_loss = 0;
  std::string text;  // the closing screen: losses, table of peaks, file names, next commands
};
void write_results(const std::filesystem::path& run, const Results& results);
std::optional<Results> read_results(const std::filesystem::path& run);

// The last rollback. A resume from the checkpoint `step` goes on at the position `end` of the stream of
// samples, unless the checkpoint is beyond it. It is durable before later checkpoints are deleted.
struct StoredRollback {
  std::int64_t step = 0, end = 0;
};
void write_rollback(const std::filesystem::path& run, const StoredRollback& rollback);
std::optional<StoredRollback> read_rollback(const std::filesystem::path& run);

}  // namespace ebb::train
