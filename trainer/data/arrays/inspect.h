// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

#include "data/progress.h"

namespace ebb::data {

// Text for a person: the arrays with type, shape, bytes and meaning, and how often each label occurs.
// Error(data) if the path holds no arrays.
std::string inspect_arrays(const std::filesystem::path& path);

// Checks the header of every array, the checksums of .npz files, that both splits exist if one does, and that
// labels are integers, one for each image. Returns a summary of one line. Error(data) names the first fault.
// Progress counts bytes.
std::string verify_arrays(const std::filesystem::path& path, const Progress& progress);

}  // namespace ebb::data
