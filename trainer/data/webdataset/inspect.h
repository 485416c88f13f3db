// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

#include "data/progress.h"

namespace ebb::data {

// Text for a person, for each split: samples, shards, suffixes with their counts and use, classes, skipped
// members. Walks over the headers of every shard and reads the labels. Error(data) for a damaged archive or
// label, a suffix twice in a sample, and a key that comes back.
std::string inspect_webdataset(const std::filesystem::path& source);

// Also decodes every image, compares each index of DALI with the headers, and returns a summary of one line.
// Error(data) names up to ten damaged images, and how many there are. Progress counts shards.
std::string verify_webdataset(const std::filesystem::path& source, const Progress& progress);

}  // namespace ebb::data
