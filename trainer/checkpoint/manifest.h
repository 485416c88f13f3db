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

// Keys of the configuration that a resumed run has to agree with, and their values, in the configuration's
// order.
using ConfigValues = std::vector<std::pair<std::string, std::string>>;

struct ShardFile {
  std::string name;  // a plain name in the checkpoint's folder
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
};

// Written by a later version of ebb: never skipped over, since what comes next would delete it.
struct NewerFormat : Error {
  using Error::Error;
};

// manifest.json, then DONE, which holds the manifest's XXH3. Both durable when it returns.
void write_manifest(const std::filesystem::path& folder, const Manifest& manifest);
// Checks DONE, the manifest's hash and the format's version. One of version 1 is converted. Error(checkpoint)
// says what is wrong with it; NewerFormat as above.
Manifest read_manifest(const std::filesystem::path& folder);

}  // namespace ebb::checkpoint
