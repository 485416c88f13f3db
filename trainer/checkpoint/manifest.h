// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace ebb::checkpoint {

inline constexpr std::int64_t kFormatVersion = 2;
inline constexpr const char* kManifestName = "manifest.json";
inline constexpr const char* kDoneName = "DONE";

// The keys and values of the configuration that a resumed run must not change, in the configuration's order.
using ConfigValues = std::vector<std::pair<std::string, std::string>>;

struct ShardFile {
  std::string name;  // without a path, in the checkpoint's folder
  std::int64_t bytes = 0;
  std::string xxh3;
};

struct SavedTensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::string file;
};

struct Manifest {
  std::int64_t step = 0;
  std::int64_t world = 0;  // ranks that wrote it
  std::vector<ShardFile> files;
  std::map<std::string, SavedTensor> tensors;        // "<part>/<tensor>"
  nlohmann::json values = nlohmann::json::object();  // part -> its State::values
  ConfigValues mathematical;
  std::string resolved_config;
  std::vector<std::string> defaulted;  // config::defaulted_keys() of resolved_config
};

// The checkpoint is of a later version of ebb. It is never skipped, since the next saves would delete it.
struct NewerFormat : Error {
  using Error::Error;
};

// Writes manifest.json, then DONE, which contains the manifest's XXH3. Both are durable when it returns.
void write_manifest(const std::filesystem::path& folder, const Manifest& manifest);
// Reads the manifest. It checks DONE, the hash and the format version, and converts version 1.
// Error(checkpoint) states the fault; NewerFormat as above.
Manifest read_manifest(const std::filesystem::path& folder);

}  // namespace ebb::checkpoint
