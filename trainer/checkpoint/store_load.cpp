// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "checkpoint/safetensors.h"
#include "checkpoint/store.h"
#include "checkpoint/verify.h"
#include "comm/run_on_all_ranks.h"

namespace ebb::checkpoint {
namespace {

using Targets = std::map<std::string, at::Tensor>;  // full name -> the run's tensor

std::string shape_text(const std::string& dtype, at::IntArrayRef shape) {
  return fmt::format("{} [{}]", dtype, fmt::join(shape, ", "));
}

// Lists every difference between the checkpoint and the run, a line each; empty if they agree.
std::string differences(const Manifest& manifest, const Targets& targets, const Parts& parts) {
  std::string lines;
  for (const auto& [part, _] : parts) {
    if (!manifest.values.contains(part)) lines += fmt::format("\n  part {} is not in the checkpoint", part);
  }
  for (const auto& [part, _] : manifest.values.items()) {
    if (!parts.contains(part))
      lines += fmt::format("\n  part {} is in the checkpoint, but not in the run", part);
  }
  for (const auto& [name, tensor] : targets) {
    const auto saved = manifest.tensors.find(name);
    const std::string dtype(dtype_name(tensor.scalar_type()));
    if (saved == manifest.tensors.end()) {
      lines += fmt::format("\n  {} {} is not in the checkpoint", name, shape_text(dtype, tensor.sizes()));
    } else if (saved->second.dtype != dtype || at::IntArrayRef(saved->second.shape) != tensor.sizes()) {
      lines += fmt::format("\n  {} is {} in the checkpoint, {} in the run", name,
                           shape_text(saved->second.dtype, saved->second.shape),
                           shape_text(dtype, tensor.sizes()));
    }
  }
  for (const auto& [name, saved] : manifest.tensors) {
    if (!targets.contains(name)) {
      lines += fmt::format("\n  {} {} is in the checkpoint, but not in the run", name,
                           shape_text(saved.dtype, saved.shape));
    }
  }
  return lines;
}

// Opens each file once and reads it sequentially.
void read_tensors(const std::filesystem::path& folder, const Manifest& manifest, const Targets& targets) {
  for (const auto& listed : manifest.files) {
    const SafetensorsFile file(folder / listed.name);
    for (const auto& entry : file.entries()) {
      const auto target = targets.find(entry.name);
      if (target != targets.end() && manifest.tensors.at(entry.name).file == listed.name)
        file.read(entry, target->second);
    }
  }
}

// Checks that every tensor is in the file of the manifest, with its dtype and shape.
void check_shards(const std::filesystem::path& folder, const Manifest& manifest) {
  std::set<std::string> found;
  for (const auto& listed : manifest.files) {
    const SafetensorsFile file(folder / listed.name);
    for (const auto& entry : file.entries()) {
      const auto saved = manifest.tensors.find(entry.name);
      if (saved != manifest.tensors.end() && saved->second.file == listed.name &&
          saved->second.dtype == dtype_name(entry.dtype) && saved->second.shape == entry.shape) {
        found.insert(entry.name);
      }
    }
  }
  for (const auto& [name, saved] : manifest.tensors) {
    if (!found.contains(name)) {
      throw Error(ExitCode::checkpoint,
                  fmt::format("{}: {} {} is not in {} as the manifest says", folder.string(), name,
                              shape_text(saved.dtype, saved.shape), saved.file));
    }
  }
}

at::ScalarType dtype_of(const std::string& name) {
  for (const auto dtype : {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble, at::kLong, at::kInt, at::kShort,
                           at::kByte, at::kBool}) {
    if (dtype_name(dtype) == name) return dtype;
  }
  throw Error(ExitCode::checkpoint, fmt::format("the manifest names an unknown dtype {}", name));
}

std::filesystem::path newest_complete(const std::filesystem::path& run) {
  std::string reasons;
  for (const auto& found : list_checkpoints(run / "checkpoints")) {
    try {
      verify_files(found.folder, read_manifest(found.folder));
      return found.folder;
    } catch (const NewerFormat&) {
      throw;
    } catch (const Error& e) {
      reasons += fmt::format("\n  {}", e.what());
    }
  }
  throw Error(
      ExitCode::checkpoint,
      fmt::format("{} is neither a checkpoint (a folder with manifest.json) nor a run with a complete one in "
                  "checkpoints/{}",
                  run.string(), reasons));
}

void restore(core::Stateful& stateful, const nlohmann::json& values, const std::string& part,
             const std::filesystem::path& folder) {
  try {
    stateful.restore(values);
  } catch (const nlohmann::json::exception& e) {
    throw Error(
        ExitCode::checkpoint,
        fmt::format("{} is damaged: its manifest has values of {} that cannot be", folder.string(), part), e);
  }
}

}  // namespace

void Store::require_compatible(const CheckpointFolder& found, const RunConfiguration& configuration) const {
  if (config_.resume == Resume::force) return;
  require_allowed(changes_between(read_manifest(found.folder), configuration), configuration, config_.allow,
                  found.folder);
}

std::int64_t Store::load(const CheckpointFolder& found, const Parts& parts) {
  const at::NoGradGuard no_grad;
  comm::run_on_all_ranks(world_, timeout_s_, [&] {
    const Manifest manifest = read_manifest(found.folder);
    if (manifest.step != found.step)
      throw Error(ExitCode::checkpoint,
                  fmt::format("{} is damaged: its folder is of step {}, and its manifest of step {}",
                              found.folder.string(), found.step, manifest.step));
    Targets targets;
    for (const auto& [part, stateful] : parts) {
      for (auto& [name, tensor] : stateful->state().tensors) targets.emplace(part + "/" + name, tensor);
    }
    const auto lines = differences(manifest, targets, parts);
    if (!lines.empty()) {
      throw Error(ExitCode::checkpoint,
                  fmt::format("{} is of another model or optimizer:{}", found.folder.string(), lines));
    }
    check_shards(found.folder, manifest);
    read_tensors(found.folder, manifest, targets);
    for (const auto& [part, stateful] : parts)
      restore(*stateful, manifest.values.at(part), part, found.folder);
  });
  return found.step;
}

bool has_part(const std::filesystem::path& path, const std::string& part) {
  const auto folder = std::filesystem::exists(path / kManifestName) ? path : newest_complete(path);
  return read_manifest(folder).values.contains(part);
}

LoadedPart read_part(const std::filesystem::path& path, const std::string& part) {
  const at::NoGradGuard no_grad;
  auto folder = path;
  if (std::filesystem::exists(path / kManifestName)) {
    verify_files(path, read_manifest(path));
  } else {
    folder = newest_complete(path);
  }
  const Manifest manifest = read_manifest(folder);
  if (!manifest.values.contains(part)) {
    std::string names;
    for (const auto& [name, _] : manifest.values.items()) names += (names.empty() ? "" : ", ") + name;
    throw Error(ExitCode::checkpoint,
                fmt::format("{} has no part {}; it has {}", folder.string(), part, names));
  }
  check_shards(folder, manifest);
  Targets targets;
  LoadedPart loaded{
      {}, manifest.values.at(part), manifest.resolved_config, manifest.defaulted, manifest.step};
  for (const auto& [name, saved] : manifest.tensors) {
    if (!name.starts_with(part + "/")) continue;
    auto tensor = at::empty(saved.shape, at::TensorOptions().dtype(dtype_of(saved.dtype)));
    targets.emplace(name, tensor);
    loaded.tensors.emplace(name.substr(part.size() + 1), tensor);
  }
  read_tensors(folder, manifest, targets);
  return loaded;
}

}  // namespace ebb::checkpoint
