// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

#include "data/progress.h"

namespace ebb::data {

// Text for a person: for each split the pictures, classes, kinds, sizes and channels, and the skipped files.
// Reads the headers of at most 1,000 pictures of a split, spread evenly, and counts damaged ones. Error(data)
// if the folder cannot be listed.
std::string inspect_picture_folder(const std::filesystem::path& source);

// Decodes every picture, and returns a summary of one line. Error(data) names up to ten damaged ones, and how
// many there are. Progress counts pictures.
std::string verify_picture_folder(const std::filesystem::path& source, const Progress& progress);

}  // namespace ebb::data
