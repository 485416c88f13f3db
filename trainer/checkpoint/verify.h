// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "checkpoint/manifest.h"

namespace ebb::checkpoint {

// Reads every file whole: its size and XXH3 must be the manifest's. Error(checkpoint) names the first that
// differs, and how.
void verify_files(const std::filesystem::path& folder, const Manifest& manifest);

}  // namespace ebb::checkpoint
