#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/world.h"
#include "config/section.h"
#include "core/stateful.h"

namespace ebb::checkpoint {

enum class Resume { automatic, never, force };

struct CheckpointConfig {
  std::int64_t every = 500;   // steps; 0: only at the end and when stopped
  std::int64_t keep = 3;
  Resume resume = Resume::automatic;
  void describe(config::Section& s);
};

// What is saved: parts by name ("model", "optimizer", "scaler", "cursor").
using Parts = std::map<std::string, core::Stateful*>;

struct Found {
  std::filesystem::path folder;   // RUN/checkpoints/step-00000500
  std::int64_t step;
};

// The checkpoints of one run: RUN/checkpoints/step-NNNNNNNN/{shard-RRRRR.safetensors, manifest.json, DONE}. Format: docs/checkpoint-format.md.
// Every rank writes its part of the tensors (by bytes), fsynced, into step-N.partial; rank 0 then writes the manifest (format version, world, every file's bytes and XXH3, every
// tensor's dtype, shape and file, the parts' values, the mathematical configuration), DONE last, and renames the folder.
// Any world size reads what another wrote.
class Store {
 public:
  Store(std::filesystem::path run_folder, const CheckpointConfig& config, comm::World& world, double timeout_s);
  void save(std::int64_t step, const Parts& parts, const std::vector<std::pair<std::string, std::string>>& mathematical);
  // The newest whole one (agreed by all ranks); damaged ones are named through `warn` and skipped. Checks format version, sizes and hashes.
  [[nodiscard]] std::optional<Found> newest(const std::function<void(const std::string&)>& warn);
  // Copies into the parts' tensors. Refuses (code checkpoint) another model: all names that are missing, left over or of another shape are listed. With differing mathematical
  // keys and `resume: auto`: Error(usage) with each key, both values and both ways on. Returns the step.
  std::int64_t load(const Found& found, const Parts& parts, const std::vector<std::pair<std::string, std::string>>& mathematical);

 private:
  std::filesystem::path folder_;
  CheckpointConfig config_;
  comm::World& world_;
  double timeout_s_;
};

// Reads tensors of one part without a run (ebb sample): name -> CPU tensor, and the manifest's values and configuration text.
struct Loaded {
  std::map<std::string, at::Tensor> tensors;
  nlohmann::json values;
  std::string resolved_config;  // RUN/config.yaml as saved in the checkpoint
  std::int64_t step;
};
// `path`: a checkpoint folder, or a run folder (its newest whole one).
Loaded read_part(const std::filesystem::path& path, const std::string& part);

}  // namespace ebb::checkpoint
