// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ebb::train {

// Whether the output of this process appears on a terminal. mpirun gives every rank a pseudo-terminal, even
// if mpirun's own output goes to a file. Under mpirun this function therefore checks the standard output of
// the parent process, which is mpirun. On other hosts than mpirun's the result is false.
bool standard_output_is_terminal();

}  // namespace ebb::train
