// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "comm/world.h"

namespace ebb::comm {

// The World of the test program, set by main.
inline const World* world = nullptr;

}  // namespace ebb::comm
