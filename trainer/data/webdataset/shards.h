// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ebb::data {

// How a source of tar archives has its splits.
enum class ShardSplits : std::uint8_t {
  folders,   // in the folders train and test
  prefixes,  // by names: train-*.tar and test-*.tar
  none,      // not divided: a folder of archives, or one archive
};

// Error(data) if the source has a folder of one split only.
ShardSplits shard_splits(const std::filesystem::path& source);
// The archives (*.tar) of a split, in the bytewise order of their names. With ShardSplits::none, all of the
// source. Error(data) if there are none, or compressed ones among them, which have no samples to read by
// index: the message has the command that unpacks them.
std::vector<std::filesystem::path> shards_of(const std::filesystem::path& source, const std::string& split);

// Whether the path is a tar archive, compressed or not, or a folder with some: directly in it, or in its
// folders train and test. By their names.
bool holds_shards(const std::filesystem::path& path);

}  // namespace ebb::data
