// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "models/family.h"

namespace ebb::models {

// The families of EBB_FAMILIES in CMakeLists.txt.
Families built_in_families();

}  // namespace ebb::models
