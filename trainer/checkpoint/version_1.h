// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "checkpoint/manifest.h"

namespace ebb::checkpoint {

// A manifest of format version 1, which ebb 0.1 wrote, as one of the present version: the configuration's
// keys get their present names, those that are gone are left out, and the model's samples are described by
// fields. Tensors, parts and the other values have not changed between the two. Throws
// nlohmann::json::exception where the samples are described in neither way of 0.1.
Manifest from_version_1(Manifest manifest);

}  // namespace ebb::checkpoint
