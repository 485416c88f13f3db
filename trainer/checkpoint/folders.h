// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ebb::checkpoint {

struct CheckpointFolder {
  std::filesystem::path folder;  // RUN/checkpoints/step-00000500
  std::int64_t step;
};

// The folders below RUN/checkpoints. A checkpoint's folder passes through these names, by renames:
//   step-N.partial   being written; useless after a crash
//   step-N           complete
//   step-N.replaced  complete, while a new checkpoint of the same step takes its name
//   step-N.deleted   being deleted
// A crash between the two renames of a replacement leaves only step-N.replaced; it becomes step-N again.
std::filesystem::path step_folder(const std::filesystem::path& checkpoints, std::int64_t step);
std::filesystem::path partial_folder(const std::filesystem::path& checkpoints, std::int64_t step);

// Returns the folders named step-N, newest first, whatever their content. Empty if there is no folder.
std::vector<CheckpointFolder> list_checkpoints(const std::filesystem::path& checkpoints);
// Cleans up after a crash: restores .replaced, removes .partial and .deleted.
void clean_leftovers(const std::filesystem::path& checkpoints);
// Renames step-N.partial, which must be complete and durable, to step-N. It replaces an existing step-N.
void publish(const std::filesystem::path& checkpoints, std::int64_t step);
// Deletes the oldest checkpoints up to `step` beyond `keep`. Checkpoints without DONE do not count, and
// remain.
void retain(const std::filesystem::path& checkpoints, std::int64_t step, std::int64_t keep);
// Deletes the checkpoints of later steps than `step`.
void discard_after(const std::filesystem::path& checkpoints, std::int64_t step);

}  // namespace ebb::checkpoint
