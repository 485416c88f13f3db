// SPDX-License-Identifier: Apache-2.0
#include "doctor/requirements.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/units.h"
#include "checkpoint/folders.h"

namespace ebb::doctor {
namespace {

Check check_ranks(const train::Config& config, const std::vector<RankFacts>& ranks) {
  const auto here = static_cast<std::int64_t>(ranks.size());
  const std::string found = fmt::format("{} here, parallel.ranks is {}", here, config.parallel.ranks);
  if (config.parallel.ranks == 0 || config.parallel.ranks == here)
    return {"world", Health::ok, found, {}, ExitCode::ok};
  return {"world", Health::warn, found,
          fmt::format("to examine them all: mpirun -n {} ebb doctor CONFIG", config.parallel.ranks),
          ExitCode::ok};
}

Check check_device(const train::Config& config, const std::vector<RankFacts>& ranks) {
  const auto has_none = [](const RankFacts& rank) { return rank.devices.empty(); };
  const auto without = std::ranges::find_if(ranks, has_none);
  if (config.run.device == train::DeviceKind::cpu)
    return {"device", Health::ok, "the CPU (run.device)", {}, ExitCode::ok};
  if (without == ranks.end()) return {"device", Health::ok, "a GPU on every rank's host", {}, ExitCode::ok};
  const std::string why =
      without->no_device_reason.empty() ? without->device_error : without->no_device_reason;
  const std::string found = fmt::format("rank {} on {} has no GPU ({})", without->rank, without->host, why);
  if (config.run.device == train::DeviceKind::automatic)
    return {"device", Health::ok, found + ": all ranks train on the CPU", {}, ExitCode::ok};
  return {"device", Health::fail, found, "set run.device=auto, or choose a host with a GPU", ExitCode::usage};
}

}  // namespace

Check check_space(const CheckpointSpace& space) {
  const std::int64_t more =
      space.checkpoint_bytes * std::max<std::int64_t>(space.keep + 1 - space.present, 1);
  const std::string found = fmt::format("a checkpoint takes {}; {} kept and one being written need {} more",
                                        format_bytes(space.checkpoint_bytes), space.keep, format_bytes(more));
  if (space.available < 0 || space.available >= more) return {"space", Health::ok, found, {}, ExitCode::ok};
  return {"space", Health::fail, found + ", but the volume of the run folder has less",
          "enlarge that volume, or lower checkpoint.keep", ExitCode::storage};
}

CheckpointSpace checkpoint_space(const train::Config& config, const train::ResourceEstimate& estimate) {
  std::filesystem::path folder = config.run.folder();
  CheckpointSpace space{estimate.checkpoint_bytes, config.checkpoint.keep,
                        std::ssize(checkpoint::list_checkpoints(folder / "checkpoints")), -1};
  std::error_code error;
  folder = std::filesystem::absolute(folder, error);
  while (!std::filesystem::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  const auto volume = std::filesystem::space(folder, error);
  if (!error) space.available = static_cast<std::int64_t>(volume.available);
  return space;
}

std::vector<Check> check_requirements(const train::Config& config, const std::vector<RankFacts>& ranks) {
  return {check_ranks(config, ranks), check_device(config, ranks)};
}

}  // namespace ebb::doctor
