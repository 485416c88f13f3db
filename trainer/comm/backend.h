// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ebb::comm {

// The implementation of Communicator. make_communicator defines `automatic`.
enum class Backend { automatic, single, mpi, nccl };

}  // namespace ebb::comm
