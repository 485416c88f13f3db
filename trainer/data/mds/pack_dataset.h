// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/sample.h"
#include "data/config.h"
#include "data/mds/pack_split.h"
#include "data/progress.h"

namespace ebb::data {

struct PackedSplit {
  std::string name;              // of SourceSplit
  std::filesystem::path folder;  // pack_folder()
  core::SampleSpec spec;
  PackResult result;
};

// Packs every split of the source that `config` describes into MDS shards, if its format has Format::splits.
// A split is written into the folder of its name below `out`, and a source without splits into `out` itself.
// Each is a folder of pack_split.h. Columns have the names of the fields: `int` for a number of 64 bits,
// ndarray:DTYPE:DIMS for arrays. Samples keep the order of the dataset. Progress counts those of all splits.
//
// Error(usage) if `out` lies within the source, and as of find_packed_split(). Error(data) for a sample that
// cannot be read, for splits with different samples, and for a field whose type MDS does not have.
// Error(storage) if the disk is full.
std::vector<PackedSplit> pack_dataset(const DataConfig& config, const std::filesystem::path& out,
                                      const MdsWriterOptions& options, const Progress& progress);

}  // namespace ebb::data
