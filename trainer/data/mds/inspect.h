// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

#include "data/progress.h"

namespace ebb::data {

// Text for a person: samples, shards, bytes, columns, hashes, the first sample, the packed inputs. Reads the
// index and one shard. Error(data) if the dataset does not open.
std::string inspect_mds(const std::filesystem::path& folder);

// Reads all shards and checks lengths, hashes, offsets and the parts of every sample. Returns a summary of
// one line. The first fault throws Error(data) with file, sample and byte.
std::string verify_mds(const std::filesystem::path& folder, const Progress& progress);

}  // namespace ebb::data
