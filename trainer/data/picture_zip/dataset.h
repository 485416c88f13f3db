// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"
#include "data/format.h"
#include "data/progress.h"

// Pictures in a zip archive, as StyleGAN and EDM make it: pictures that are stored or deflated, and their
// labels in dataset.json. They are numbered by their names in bytewise order, as those of a folder.
namespace ebb::data {

// Whether the path is a file that ends in .zip and begins like one, or a folder with train.zip.
bool is_picture_zip(const std::filesystem::path& path);

// A split of such a source: SOURCE/train.zip and SOURCE/test.zip, or SOURCE, of which data.test_share makes
// the test split. Opening reads the directory of the archive, dataset.json if labels are read, and at most
// the header of one picture. Memory: that of ZipFile, and 16 bytes for each picture.
std::unique_ptr<Dataset> open_picture_zip(const DataConfig& config, const SplitRequest& request);
std::vector<SourceSplit> picture_zip_splits(const DataConfig& config);  // for Format::splits

std::string inspect_picture_zip(const std::filesystem::path& source);  // for Format::inspect
// Decodes every picture. For Format::verify.
std::string verify_picture_zip(const std::filesystem::path& source, const Progress& progress);

}  // namespace ebb::data
