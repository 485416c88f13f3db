// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"
#include "data/format.h"

namespace ebb::data {

// Pictures of a folder with the fields image and label. The folder is SOURCE/train or SOURCE/test if both
// exist. Otherwise it is SOURCE, of which data.test_share makes the test split (test_share.h).
//
// A label is the number of the picture's class folder, the first below this folder. Classes are numbered by
// the names of those of the training split, from 0 on, in bytewise order.
//
// Opening lists the folder and reads at most the header of one picture; its memory is the PictureList. A read
// decodes one file. It takes memory for the file, for its pixels, and for those of the result.
std::unique_ptr<Dataset> open_picture_folder(const DataConfig& config, const SplitRequest& request);

// The splits of the source, for Format::splits. Their samples have labels if every picture of all splits lies
// in a class folder.
std::vector<SourceSplit> picture_splits(const DataConfig& config);

// Whether SOURCE has folders train and test. Error(data) if it has one of them only: it would be a class.
bool has_split_folders(const std::filesystem::path& source);

// SOURCE/train and SOURCE/test, or SOURCE if it has no split folders. Errors as has_split_folders().
std::vector<std::filesystem::path> split_folders(const std::filesystem::path& source);

// The bytes of a regular file. Error(data) above kLargestPictureFile.
std::vector<std::byte> read_picture_file(const std::filesystem::path& path);

}  // namespace ebb::data
