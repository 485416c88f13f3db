// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "checkpoint/lease.h"
#include "comm/world.h"
#include "train/stop_request.h"
#include "train/training_data.h"

namespace ebb::train {

// What a run needs before it reads or writes anything in its folder.
struct OpenedRun {
  Splits splits;
  std::unique_ptr<checkpoint::Lease> lease;  // rank 0's; null elsewhere
};

// Opens the data, then takes the lease of the run's folder. Data that does not open is an error before any
// wait for the lease. During such a wait no rank keeps the data open; it may change, so it is opened again
// afterwards. Collective. Throws what open_splits() and checkpoint::Lease throw; Error(stopped) where `stop`
// is requested during the wait.
OpenedRun open_run(const Config& config, const comm::World& world, const StopRequest& stop);

}  // namespace ebb::train
