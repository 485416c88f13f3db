// SPDX-License-Identifier: Apache-2.0
#include "comm/dry_communicator.h"

#include "comm/check.h"
#include "comm/completed_work.h"
#include "comm/mpi_communicator.h"
#include "memory/tag.h"

namespace ebb::comm {

DryCommunicator::DryCommunicator(int rank, int size, at::DeviceType trained_on) : rank_(rank), size_(size) {
  if (size == 1 || trained_on != at::kCPU) return;  // a single rank has no staging
  const memory::Tag tag(memory::Class::communication, kMpiStagingOwner);
  staging_ = at::empty({static_cast<std::int64_t>(mpi_staging_bytes(size))},
                       at::TensorOptions().dtype(at::kByte).device(at::kMeta));
}

std::unique_ptr<Work> DryCommunicator::start(Collective collective) {
  check(collective, size_, at::kMeta);
  return std::make_unique<CompletedWork>();
}

}  // namespace ebb::comm
