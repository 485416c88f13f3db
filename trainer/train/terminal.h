// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ebb::train {

// Returns whether the output of this process appears on a terminal. mpirun gives every rank a
// pseudo-terminal, even if mpirun's own output goes to a file. Under mpirun this function therefore checks
// the standard output of the parent process, which is mpirun. The result is false on hosts other than
// mpirun's.
bool standard_output_is_terminal();

}  // namespace ebb::train
