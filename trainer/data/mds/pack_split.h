// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/mds/writer.h"

// The folder of a split that `ebb data pack` writes.
//
// The shards are written into OUT.partial.<host>.<pid>, which is renamed when it is complete. A killed pack
// therefore leaves no folder that opens. The next pack on this host removes its remains. pack.json records
// the recipe: inputs and options. A second pack with the same recipe changes nothing.
namespace ebb::data {

struct PackResult {
  std::int64_t samples = 0, shards = 0;
  std::int64_t bytes = 0;      // of the shard files
  bool already_there = false;  // an earlier run made it
};

// The absolute path of an output: "data/train/" and "data/train" are the same folder.
std::filesystem::path pack_folder(const std::filesystem::path& out);

// What identifies an input in a recipe: name, bytes and digest of a file; of a folder, the number and the
// bytes of its files, and a digest of their names, sizes and times. Error(data) if it cannot be read.
nlohmann::json fingerprint(const std::filesystem::path& input);

// The result of an earlier pack in `out`, a pack_folder(). Nothing if the folder does not exist or is empty.
// Error(usage) names anything else that it holds, and the parts of another recipe. Error(data) if it is
// damaged.
std::optional<PackResult> find_packed_split(const std::filesystem::path& out, const nlohmann::json& recipe);

// Makes the folder, unless find_packed_split() has a result. `write` gives all samples to the writer, and
// calls its finish(). Error(storage) if the disk is full.
PackResult pack_split(const std::filesystem::path& out, const nlohmann::json& recipe,
                      std::vector<MdsColumn> columns, const MdsWriterOptions& options,
                      const std::function<void(MdsWriter&)>& write);

}  // namespace ebb::data
