// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/changes.h"
#include "checkpoint/config.h"
#include "checkpoint/folders.h"
#include "checkpoint/manifest.h"
#include "comm/world.h"
#include "core/stateful.h"

namespace ebb::checkpoint {

// The saved objects: parts by name ("model", "optimizer", "scaler", "cursor").
using Parts = std::map<std::string, core::Stateful*>;

// The checkpoints of one run: RUN/checkpoints/step-NNNNNNNN/{shard-RRRRR.safetensors, manifest.json, DONE}.
// Format: docs/checkpoint-format.md. Every rank writes its share of the tensors, about equal in bytes, into
// step-N.partial, with fsync. Rank 0 then writes the manifest, then DONE, and renames the folder. The
// manifest has the format version, the world size, every file's bytes and XXH3, every tensor's dtype, shape
// and file, the parts' values, and the configuration. A run of any world size can load it. The constructor,
// save, newest and load are collective. If one rank fails, all throw. Rank 0 throws an Error with the code
// and the message of the failed rank; all other ranks throw comm::RemoteError with that code. All ranks must
// see the same folder; a save checks it.
class Store {
 public:
  // Rank 0 removes the leftovers of a killed run, so construct it only while the run holds its Lease.
  Store(const std::filesystem::path& run_folder, const CheckpointConfig& config, comm::World& world,
        double timeout_s);

  // The checkpoint is complete when it returns. It replaces a checkpoint of the same step, which remains
  // until then. Then the oldest beyond `keep` are deleted. After an Error (storage: disk full, …) the earlier
  // checkpoints are complete.
  void save(std::int64_t step, const Parts& parts, const RunConfiguration& configuration);

  // Returns the newest complete checkpoint, the same on all ranks. It checks sizes and hashes, reports
  // damaged checkpoints to `warn` (rank 0 only) and skips them. nullopt: there are no checkpoints.
  // Error(checkpoint): none is complete, or one is of a later format version. Error(usage): there are some,
  // and checkpoint.resume is never.
  [[nodiscard]] std::optional<CheckpointFolder> newest(const std::function<void(const std::string&)>& warn);

  // Returns the checkpoints up to `step` that have DONE, the oldest first, as rank 0 sees them. Files are not
  // checked. Collective.
  [[nodiscard]] std::vector<CheckpointFolder> up_to(std::int64_t step);

  // Copies the checkpoint into the parts' tensors, then restores their values. Returns the step.
  // Error(checkpoint) if it is of another model: the message lists all names that are missing, unknown, or of
  // another shape or dtype. A resume first calls require_compatible(); a rollback does not, because its run
  // may have been resumed with a change since.
  std::int64_t load(const CheckpointFolder& found, const Parts& parts);

  // Error(usage) if mathematical keys differ, and neither checkpoint.allow nor checkpoint.resume=force
  // accepts it (require_allowed). On this rank only, and without a check of files.
  void require_compatible(const CheckpointFolder& found, const RunConfiguration& configuration) const;

 private:
  void write(std::int64_t step, const Parts& parts, const RunConfiguration& configuration);

  std::filesystem::path folder_;  // RUN/checkpoints
  CheckpointConfig config_;
  comm::World& world_;
  double timeout_s_;
};

// One part of a checkpoint, read without a run (ebb sample).
struct LoadedPart {
  std::map<std::string, at::Tensor> tensors;  // on the CPU
  nlohmann::json values;
  std::string resolved_config;         // RUN/config.yaml as saved in the checkpoint
  std::vector<std::string> defaulted;  // Manifest::defaulted
  std::int64_t step = 0;
};
// Whether a checkpoint, or the newest complete one of a run folder, has a part of this name.
bool has_part(const std::filesystem::path& path, const std::string& part);
// Verifies a checkpoint and reads one part. `path`: a checkpoint folder, or a run folder (its newest
// complete checkpoint; damaged ones are skipped). One process; it needs no World. Error(checkpoint): no
// complete checkpoint, or no such part.
LoadedPart read_part(const std::filesystem::path& path, const std::string& part);

}  // namespace ebb::checkpoint
