// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::launch {

// Full path of ebb-core, the program that trains. It lies beside the running program, whose symbolic links
// are followed. Error(usage) where ebb-core is missing; Error(internal) where the file of the running program
// was removed or replaced.
std::string core_program();

}  // namespace ebb::launch
