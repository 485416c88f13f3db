#pragma once

namespace ebb::comm {

// What moves tensors between ranks. automatic: see make_communicator.
enum class Backend { automatic, single, mpi, nccl };

}  // namespace ebb::comm
