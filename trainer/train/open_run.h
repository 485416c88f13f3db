// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "checkpoint/lease.h"
#include "comm/world.h"
#include "train/stop_request.h"
#include "train/training_data.h"

namespace ebb::train {

// The data and the lease, which a run needs before any access to its folder.
struct OpenedRun {
  Splits splits;
  std::unique_ptr<checkpoint::Lease> lease;  // rank 0's; null elsewhere
};

// Opens the data, then acquires the lease of the run's folder. Invalid data is an error before any wait for
// the lease. During such a wait no rank keeps the data open; it may change, so it is opened again afterwards.
// Collective. Throws the errors of open_splits() and checkpoint::Lease; Error(stopped) if a stop is requested
// during the wait.
OpenedRun open_run(const Config& config, const comm::World& world, const StopRequest& stop);

}  // namespace ebb::train
