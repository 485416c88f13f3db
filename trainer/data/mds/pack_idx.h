// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "data/progress.h"

namespace ebb::data {

struct PackOptions {
  std::filesystem::path images, labels;  // IDX, plain or gzipped; labels may be empty
  std::filesystem::path out;             // the split's folder
  std::int64_t shard_bytes = 8 << 20;    // maximum unpacked size of a shard
  std::string compression = "none";      // "none" or "zstd"
  std::int64_t pad = 0;                  // side that images get by a border of zeros; 0: none
};

struct PackResult {
  std::int64_t samples = 0, shards = 0;
  std::int64_t bytes = 0;      // of the shard files
  bool already_there = false;  // an earlier run made it
};

// Packs IDX files into MDS shards with the columns image (ndarray:uint8:C,H,W) and label (int). Images
// of H,W,C (has_channels_last) are written as C,H,W.
//
// The shards are written into OUT.partial.<host>.<pid>, which is renamed when it is complete. A killed pack
// therefore leaves no folder that opens. The next pack on this host removes its remains. pack.json records
// the inputs and options. A second run with the same ones changes nothing.
//
// Error(usage) names anything else that OUT holds, and a `pad` below the images' sides. Error(data) for
// inputs that are not IDX, are truncated or do not fit together. Error(storage) if the disk is full.
PackResult pack_idx(const PackOptions& options, const Progress& progress);

}  // namespace ebb::data
