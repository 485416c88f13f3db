// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "data/mds/pack_split.h"
#include "data/progress.h"

namespace ebb::data {

struct PackOptions {
  std::filesystem::path images, labels;  // IDX, plain or gzipped; labels may be empty
  std::filesystem::path out;             // the split's folder
  std::int64_t shard_bytes = 8 << 20;    // maximum unpacked size of a shard
  std::string compression = "none";      // "none" or "zstd"
  std::int64_t pad = 0;                  // side that images get by a border of zeros; 0: none
};

// Packs IDX files into MDS shards with the columns image (ndarray:uint8:C,H,W) and label (int). Images
// of H,W,C (has_channels_last) are written as C,H,W. The folder is one of pack_split.h.
//
// Error(usage) names anything else that OUT holds, and a `pad` below the images' sides. Error(data) for
// inputs that are not IDX, are truncated or do not fit together. Error(storage) if the disk is full.
PackResult pack_idx(const PackOptions& options, const Progress& progress);

}  // namespace ebb::data
