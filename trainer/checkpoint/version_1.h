// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "checkpoint/manifest.h"

namespace ebb::checkpoint {

// Converts a manifest of format version 1, which ebb 0.1 wrote, to the present version. The configuration's
// keys get their present names, removed keys are omitted, and fields describe the model's samples. Tensors,
// parts and other values are the same in both versions. Throws nlohmann::json::exception if the description
// of the samples is in neither form of 0.1.
Manifest from_version_1(Manifest manifest);

}  // namespace ebb::checkpoint
