// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"
#include "data/format.h"

namespace ebb::data {

// The samples of WebDataset archives with the fields image and label (fields.h). The archives are those of
// the split (shards.h). If the source is not divided, data.test_share makes the test split (test_share.h).
//
// Opening makes the TarIndex, its memory, and reads the header of one image if data.size is not set. A read
// takes one image and the header of its file in the archive, which must still be that of a file of this size.
// It takes memory for the image file, for its pixels, and for those of the result. At most 64 files are open.
std::unique_ptr<Dataset> open_webdataset(const DataConfig& config, const SplitRequest& request);

// The splits of the source, for Format::splits. Their samples have labels if the first one of each split has
// a label.
std::vector<SourceSplit> webdataset_splits(const DataConfig& config);

}  // namespace ebb::data
