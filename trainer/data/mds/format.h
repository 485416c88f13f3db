// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/format.h"

namespace ebb::data {

// Folders of MDS shards, one subfolder per split. Provides image, and label if the dataset has such a column.
Format mds_format();

}  // namespace ebb::data
