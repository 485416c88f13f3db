// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ebb::train {

// Whether a person sees what this process prints. mpirun gives every rank a pseudo-terminal of its own,
// whatever its output goes to: below it, its own standard output is what counts (the parent process's; on
// another host than mpirun's there is none to be seen).
bool standard_output_is_terminal();

}  // namespace ebb::train
