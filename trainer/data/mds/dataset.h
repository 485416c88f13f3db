// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"

namespace ebb::data {

struct MdsOptions {
  std::vector<std::string> fields = {std::string(core::kImageField)};  // columns to read, in this order
  // Bytes for unpacked shards, all allocated by open_mds; at least one shard is kept. Nothing is allocated if
  // no shard is compressed. A shuffled run over a compressed dataset larger than this unpacks a shard for
  // nearly every sample: pack without compression, or make it larger.
  std::int64_t cache_bytes = std::int64_t{256} << 20;
  BlockAllocator allocate = allocate_on_heap;  // purpose "shard cache"
  // Labels in [0, classes) are valid; empty: any. Opening checks about 4096 of them, spread evenly. It
  // reads only these values of raw shards, without their hashes, and unpacks at most 8 compressed shards.
  std::optional<std::int64_t> classes = {};
  PictureConfig pictures = {};  // for columns of encoded pictures (picture_column.h)
};

// The samples of an MDS folder (index.json and shards, raw or zstd). Opening checks the index, and the
// existence and length of every shard. The first use of a shard reads all of it and checks its hashes and
// offsets. Every read checks the bounds of its sample. Opening columns of encoded pictures without a size
// also reads the first shard, for its first picture. Memory beside the cache: the index, and one encoded
// picture and its pixels while it is decoded. At most 64 files are open.
std::unique_ptr<Dataset> open_mds(const std::filesystem::path& folder, const MdsOptions& options = {});

}  // namespace ebb::data
