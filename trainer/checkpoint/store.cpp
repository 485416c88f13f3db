// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/store.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sstream>
#include <system_error>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "checkpoint/partition.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/verify.h"
#include "comm/run_on_all_ranks.h"

namespace ebb::checkpoint {
namespace {

std::string shard_name(int rank) {
  return fmt::format("shard-{:05}.safetensors", rank);
}

// The content of one save: the tensors of all parts by their full names, and the writer of each.
struct Content {
  NamedTensors tensors;
  std::vector<int> writer;
  Manifest manifest;  // without the files
};

Content collect(std::int64_t step, const Parts& parts, const RunConfiguration& configuration, int ranks) {
  Content content;
  for (const auto& [part, stateful] : parts) {
    const auto state = stateful->state();
    for (const auto& [name, tensor] : state.tensors) content.tensors.emplace_back(part + "/" + name, tensor);
    content.manifest.values[part] = state.values;
  }
  std::vector<std::pair<std::string, std::int64_t>> bytes;
  for (const auto& [name, tensor] : content.tensors)
    bytes.emplace_back(name, static_cast<std::int64_t>(tensor.nbytes()));
  content.writer = partition(bytes, ranks);
  auto& manifest = content.manifest;
  manifest.step = step;
  manifest.world = ranks;
  manifest.mathematical = configuration.mathematical;
  manifest.resolved_config = configuration.resolved_config;
  manifest.defaulted = configuration.defaulted;
  for (std::size_t i = 0; i < content.tensors.size(); ++i) {
    const auto& [name, tensor] = content.tensors[i];
    manifest.tensors[name] = {std::string(dtype_name(tensor.scalar_type())), tensor.sizes().vec(),
                              shard_name(content.writer[i])};
  }
  return content;
}

// Every rank must hold the same tensors; otherwise their parts would not form a complete checkpoint.
std::string listing_digest(const Content& content) {
  std::string text;
  for (const auto& [name, t] : content.manifest.tensors) {
    text += fmt::format("{} {} {} {}\n", name, t.dtype, fmt::join(t.shape, ","), t.file);
  }
  return digest_hex(text);
}

ShardFile write_shard(const std::filesystem::path& folder, const Content& content, int rank) {
  NamedTensors mine;
  for (std::size_t i = 0; i < content.tensors.size(); ++i) {
    if (content.writer[i] == rank) mine.push_back(content.tensors[i]);
  }
  const auto written = write_safetensors(folder / shard_name(rank), mine, {{"format", "pt"}});
  return {shard_name(rank), written.bytes, written.xxh3};
}

// Rank 0 looks for every rank's file, since a rank with separate storage would write an invisible file.
void check_shared(const std::filesystem::path& folder, const std::vector<ShardFile>& files) {
  for (std::size_t rank = 0; rank < files.size(); ++rank) {
    std::error_code error;
    const auto size = std::filesystem::file_size(folder / files[rank].name, error);
    if (error || static_cast<std::int64_t>(size) != files[rank].bytes) {
      throw Error(
          ExitCode::storage,
          fmt::format(
              "{} as rank {} wrote it ({} bytes) is not seen by rank 0: run.dir must lie on storage that "
              "all hosts share",
              (folder / files[rank].name).string(), rank, files[rank].bytes));
    }
  }
}

}  // namespace

Store::Store(const std::filesystem::path& run_folder, const CheckpointConfig& config, comm::World& world,
             double timeout_s)
    : folder_(run_folder / "checkpoints"), config_(config), world_(world), timeout_s_(timeout_s) {
  comm::run_on_all_ranks(world_, timeout_s_, [&] {
    if (world_.rank() == 0) clean_leftovers(folder_);
  });
}

void Store::save(std::int64_t step, const Parts& parts, const RunConfiguration& configuration) {
  try {
    write(step, parts, configuration);
  } catch (const Error&) {
    // A partial checkpoint must not occupy a full disk. If it cannot be removed now, the next save removes
    // it first.
    std::error_code ignored;
    if (world_.rank() == 0) std::filesystem::remove_all(partial_folder(folder_, step), ignored);
    throw;
  }
}

void Store::write(std::int64_t step, const Parts& parts, const RunConfiguration& configuration) {
  const at::NoGradGuard no_grad;
  const auto partial = partial_folder(folder_, step);
  Content content;
  const auto listings = comm::gather_from_all(world_, timeout_s_, [&] {
    if (world_.rank() == 0) {
      clean_leftovers(folder_);
      make_folders(partial);
    }
    content = collect(step, parts, configuration, world_.size());
    return listing_digest(content);
  });
  for (std::size_t rank = 0; rank < listings.size(); ++rank) {
    if (listings[rank] != listings[0]) {
      throw Error(
          ExitCode::communication,
          fmt::format("step {} cannot be saved: rank {} holds other tensors than rank 0", step, rank));
    }
  }
  const auto outcomes = comm::gather_from_all(world_, timeout_s_, [&] {
    make_folders(partial);  // for a host that sees the shared folder late
    const auto file = write_shard(partial, content, world_.rank());
    return nlohmann::json{{"name", file.name}, {"bytes", file.bytes}, {"xxh3", file.xxh3}}.dump();
  });
  comm::run_on_all_ranks(world_, timeout_s_, [&] {
    if (world_.rank() != 0) return;
    for (const auto& outcome : outcomes) {
      const auto file = parse_json_or_discard(outcome);
      content.manifest.files.push_back({file["name"], file["bytes"], file["xxh3"]});
    }
    check_shared(partial, content.manifest.files);
    write_manifest(partial, content.manifest);
    publish(folder_, step);
    retain(folder_, step, config_.keep);
  });
}

std::optional<CheckpointFolder> Store::newest(const std::function<void(const std::string&)>& warn) {
  const auto results = comm::gather_from_all(world_, timeout_s_, [&]() -> std::string {
    if (world_.rank() != 0) return {};
    const auto all = list_checkpoints(folder_);
    if (all.empty()) return {};
    if (config_.resume == Resume::never) {
      throw Error(
          ExitCode::usage,
          fmt::format(
              "{} already has checkpoints (up to step {}), which checkpoint.resume=never does not allow. "
              "Give the run another name (run.name=...), or resume with checkpoint.resume=auto",
              folder_.string(), all.front().step));
    }
    std::string reasons;
    for (const auto& found : all) {
      try {
        verify_files(found.folder, read_manifest(found.folder));
        return std::to_string(found.step);
      } catch (const NewerFormat&) {
        throw;
      } catch (const Error& e) {
        if (e.code() != ExitCode::checkpoint && e.code() != ExitCode::data) throw;
        if (warn) warn(fmt::format("checkpoint skipped: {}", e.what()));
        reasons += fmt::format("\n  {}", e.what());
      }
    }
    throw Error(
        ExitCode::checkpoint,
        fmt::format(
            "none of the {} checkpoints in {} is complete. Restore an intact copy, or start again under "
            "another name (run.name=...):{}",
            all.size(), folder_.string(), reasons));
  });
  if (results[0].empty()) return std::nullopt;
  const auto step = static_cast<std::int64_t>(std::stoll(results[0]));
  return CheckpointFolder{step_folder(folder_, step), step};
}

std::vector<CheckpointFolder> Store::up_to(std::int64_t step) {
  const auto results = comm::gather_from_all(world_, timeout_s_, [&] {
    std::string steps;
    if (world_.rank() != 0) return steps;
    for (const auto& found : list_checkpoints(folder_))  // the newest first
      if (found.step <= step && std::filesystem::exists(found.folder / kDoneName))
        steps = fmt::format("{} {}", found.step, steps);
    return steps;
  });
  std::vector<CheckpointFolder> found;
  std::istringstream steps(results[0]);
  for (std::int64_t one = 0; steps >> one;) found.push_back({step_folder(folder_, one), one});
  return found;
}

}  // namespace ebb::checkpoint
