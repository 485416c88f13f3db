// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace ebb::data {

struct MdsOptions {
  std::vector<std::string> fields = {std::string(core::kImageField)};  // columns to bring, in this order
  // Bytes for unpacked shards, all of them allocated by open_mds; at least one shard is kept. Nothing is
  // taken where no shard is compressed. A shuffled run over a compressed dataset larger than this unpacks a
  // shard for nearly every sample: pack without compression, or make it larger.
  std::int64_t cache_bytes = std::int64_t{256} << 20;
  BlockAllocator allocate = allocate_on_heap;  // purpose "shard cache"
};

// The samples of an MDS folder (index.json and shards, raw or zstd). Opening checks the index, and that every
// shard is there with its length. The first use of a shard checks its hashes and offsets, and reads it whole
// for that. Every read checks that sample's bounds. Memory beside the cache: the index. At most 64 files are
// open.
std::unique_ptr<Dataset> open_mds(const std::filesystem::path& folder, const MdsOptions& options = {});

}  // namespace ebb::data
