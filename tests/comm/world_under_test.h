#pragma once
#include "comm/world.h"

namespace ebb::comm {

// Main's, for all tests of the program.
inline const World* world = nullptr;

}  // namespace ebb::comm
