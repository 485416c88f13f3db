// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "models/family.h"

namespace ebb::models {

// The families of EBB_FAMILIES in CMakeLists.txt, for a program that links no LibTorch. Their make_model is
// null.
Families described_families();

}  // namespace ebb::models
