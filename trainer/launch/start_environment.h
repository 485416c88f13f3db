// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ebb::launch {

// Prepares this process for the start of mpirun, whose own messages on these points name no cause: raises the
// limit of open files to 1024 if it is lower and may be raised, and sets PATH if it is not set. Error(usage)
// if fewer than 256 files may be open, or if no folder can be made in TMPDIR (default: /tmp).
void prepare_start_environment();

}  // namespace ebb::launch
