// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ebb::checkpoint {

struct Found {
  std::filesystem::path folder;  // RUN/checkpoints/step-00000500
  std::int64_t step;
};

// The folders below RUN/checkpoints. A checkpoint's folder passes through these names, by renames:
//   step-N.partial   being written; useless after a crash
//   step-N           whole
//   step-N.replaced  whole, while a new checkpoint of the same step takes its name
//   step-N.deleted   being deleted
// A crash between the two renames of a replacement leaves only step-N.replaced; it becomes step-N again.
std::filesystem::path step_folder(const std::filesystem::path& checkpoints, std::int64_t step);
std::filesystem::path partial_folder(const std::filesystem::path& checkpoints, std::int64_t step);

// Folders named step-N, newest first, whatever is in them. Empty if there is no folder.
std::vector<Found> list_checkpoints(const std::filesystem::path& checkpoints);
// Finishes or undoes what a crash left: puts .replaced back, removes .partial and .deleted.
void clean_leftovers(const std::filesystem::path& checkpoints);
// step-N.partial, complete and durable, becomes step-N, in the place of one that is there.
void publish(const std::filesystem::path& checkpoints, std::int64_t step);
// Deletes the oldest checkpoints up to `step` beyond `keep`. Those without DONE do not count and stay.
void retain(const std::filesystem::path& checkpoints, std::int64_t step, std::int64_t keep);

}  // namespace ebb::checkpoint
