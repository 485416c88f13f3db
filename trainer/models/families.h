// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "models/family.h"

namespace ebb::models {

// The families of EBB_FAMILIES in CMakeLists.txt, without what makes their models: for a program that links
// no framework.
Families described_families();

}  // namespace ebb::models
