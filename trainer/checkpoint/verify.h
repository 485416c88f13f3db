// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "checkpoint/manifest.h"

namespace ebb::checkpoint {

// Reads every file whole and compares its size and XXH3 with the manifest. Error(checkpoint) names the first
// file that differs, and the difference.
void verify_files(const std::filesystem::path& folder, const Manifest& manifest);

}  // namespace ebb::checkpoint
