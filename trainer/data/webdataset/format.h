// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/format.h"

namespace ebb::data {

// Tar archives of WebDataset: files with one name and several suffixes are a sample.
Format webdataset_format();

}  // namespace ebb::data
