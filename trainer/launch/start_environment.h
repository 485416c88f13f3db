// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ebb::launch {

// Prepares this process for the start of mpirun, whose own messages on these points name no cause: raises the
// limit of open files to 1024 if it is lower and may be raised, and sets PATH if it is not set. Error(usage)
// if mpirun does not take this host's name, if fewer than 256 files may be open, if no folder can be made in
// TMPDIR (default: /tmp), or if this host lacks a network interface that OMPI_MCA_btl_tcp_if_include or
// OMPI_MCA_oob_tcp_if_include names.
void prepare_start_environment();

}  // namespace ebb::launch
