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

#include "checkpoint/config.h"
#include "checkpoint/folders.h"
#include "checkpoint/manifest.h"
#include "comm/world.h"
#include "core/stateful.h"

namespace ebb::checkpoint {

// What is saved: parts by name ("model", "optimizer", "scaler", "cursor").
using Parts = std::map<std::string, core::Stateful*>;

// The configuration that a run has: what is kept with a checkpoint, and what a resumed run is held against.
struct RunConfiguration {
  ConfigValues mathematical;    // config::mathematical_values
  std::string resolved_config;  // config::resolved_yaml
};

// The checkpoints of one run: RUN/checkpoints/step-NNNNNNNN/{shard-RRRRR.safetensors, manifest.json, DONE}.
// Format: docs/checkpoint-format.md. Every rank writes its part of the tensors (by bytes), fsynced, into
// step-N.partial; rank 0 then writes the manifest (format version, world, every file's bytes and XXH3, every
// tensor's dtype, shape and file, the parts' values, the configuration), DONE last, and renames the folder.
// Any world size reads what another wrote. The constructor, save, newest and load are called by all ranks
// together. Where one rank fails, all throw: rank 0 an Error with the code and the message of the one that
// failed, the others comm::RemoteError with that code. The folder must be one that all ranks see (a
// save checks it).
class Store {
 public:
  // Rank 0 removes what a killed run left behind: construct it after the run's Lease is held.
  Store(const std::filesystem::path& run_folder, const CheckpointConfig& config, comm::World& world,
        double timeout_s);

  // Durable when it returns. A checkpoint of the same step is replaced; until the new one is whole the old
  // one stays. Then the oldest beyond `keep` are deleted. On Error (storage: disk full, …) the checkpoints
  // that were there are whole.
  void save(std::int64_t step, const Parts& parts, const RunConfiguration& configuration);

  // The newest whole one (agreed by all ranks); damaged ones are named through `warn` (rank 0 only) and
  // skipped. Checks sizes and hashes. nullopt: there are no checkpoints. Error(checkpoint): there are some,
  // but none whole, or one is of a later format version. Error(usage): there are some, and checkpoint.resume
  // is never.
  [[nodiscard]] std::optional<Found> newest(const std::function<void(const std::string&)>& warn);

  // Copies into the parts' tensors, then restores their values. Refuses (code checkpoint) another model: all
  // names that are missing, left over or of another shape or dtype are listed. With differing mathematical
  // keys and `resume: auto`: Error(usage) with each key, both values and both ways on. Returns the step.
  std::int64_t load(const Found& found, const Parts& parts, const RunConfiguration& configuration);

  // On this rank alone, without checking files: what `load` says of the configuration.
  void require_same_mathematics(const Found& found, const RunConfiguration& configuration) const;

 private:
  void write(std::int64_t step, const Parts& parts, const RunConfiguration& configuration);

  std::filesystem::path folder_;  // RUN/checkpoints
  CheckpointConfig config_;
  comm::World& world_;
  double timeout_s_;
};

// One part of a checkpoint read without a run (ebb sample).
struct Loaded {
  std::map<std::string, at::Tensor> tensors;  // on the CPU
  nlohmann::json values;
  std::string resolved_config;  // RUN/config.yaml as saved in the checkpoint
  std::int64_t step = 0;
};
// `path`: a checkpoint folder, or a run folder (its newest whole one; damaged ones are skipped). Verified.
// One process, needs no World. Error(checkpoint): nothing whole there, or no such part.
Loaded read_part(const std::filesystem::path& path, const std::string& part);

}  // namespace ebb::checkpoint
