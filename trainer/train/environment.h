// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>

#include "comm/communicator.h"
#include "comm/world.h"
#include "memory/block_cache.h"
#include "memory/ledger.h"
#include "train/config.h"

namespace ebb::train {

// What a rank computes with, for the whole run: its device, its threads and its way to the other ranks.
struct Environment {
  comm::World& world;
  memory::Ledger& ledger;
  memory::BlockCache& cache;  // of freed blocks on the CPU
  at::Device device = at::kCPU;
  std::string device_note{};  // why GPUs that are there are not used; else empty
  std::int64_t threads = 1;   // that this rank computes with
  std::int64_t pinned = 0;    // cores that this rank was bound to; 0: it was not
  std::unique_ptr<comm::Communicator> communicator{};
};

// Binds the threads and opens the device. Collective. Error where the configuration does not fit the machine.
Environment open_environment(const Config& config, comm::World& world, memory::Ledger& ledger,
                             memory::BlockCache& cache);

// Where a rank's tensors will live. `auto` is a GPU for each rank or none for any: all ranks take the same,
// and where GPUs are left unused `note` says why. Makes a GPU this process's. Collective.
at::Device choose_device(DeviceKind kind, bool share, const comm::World& world, double timeout_s,
                         std::string& note);

}  // namespace ebb::train
