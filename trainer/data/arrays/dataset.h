// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"
#include "data/format.h"

namespace ebb::data {

// Images and labels of arrays (arrays/source.h). Values lie in their file, of which a read takes one sample.
// Deflated arrays of an .npz are unpacked by the constructor, into blocks of the allocator, and checked.
// Error (data) if those of a split take more than data.cache.ram.
//
// Images become uint8 [C, H, W]; of bool, True is 255. Labels may have any integer type and order of bytes;
// the range of at most 4096 of them, spread evenly, is checked at once.
std::unique_ptr<Dataset> open_arrays(const DataConfig& config, const SplitRequest& request);

// The splits of the source, for Format::splits.
std::vector<SourceSplit> array_splits(const DataConfig& config);

}  // namespace ebb::data
