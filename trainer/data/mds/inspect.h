// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

#include "data/progress.h"

namespace ebb::data {

// Text for a person: samples, shards, bytes, columns, hashes, the first sample, what it was packed from.
// Reads the index and one shard. Error(data) where it does not open.
std::string inspect_mds(const std::filesystem::path& folder);

// Reads every shard whole: lengths, hashes, offsets, every sample's parts. A summary of one line. The first
// fault is an Error(data) with file, sample and byte.
std::string verify_mds(const std::filesystem::path& folder, const Progress& progress);

}  // namespace ebb::data
