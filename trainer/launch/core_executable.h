// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::launch {

// Returns the full path that ebb-core, the program that trains, should have: in the folder of the running
// program, with symbolic links resolved. Error(internal) if the file of the running program was removed or
// replaced.
std::string core_executable_path();

// Returns core_executable_path(). Error(usage) if ebb-core is missing.
std::string core_executable();

}  // namespace ebb::launch
