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

// The resources of a rank for the whole run: its device, its threads and its communicator.
struct Environment {
  comm::World& world;
  memory::Ledger& ledger;
  memory::BlockCache& cache;  // of freed blocks on the CPU
  at::Device device = at::kCPU;
  std::string device_note{};     // why present GPUs are not used; else empty
  std::int64_t threads = 1;      // compute threads of this rank
  std::int64_t bound_cores = 0;  // cores that this rank was bound to; 0: it was not
  double cpu_quota = 0;          // cores that its control group allows; 0: no limit
  std::string threads_note{};    // why the threads hinder each other; else empty
  std::unique_ptr<comm::Communicator> communicator{};
};

// Binds the threads and opens the device. Collective. Error if the configuration does not fit the machine.
Environment open_environment(const Config& config, comm::World& world, memory::Ledger& ledger,
                             memory::BlockCache& cache);

// Selects the CPU's kernels: run.isa. Error(usage) if the processor lacks the instruction set.
void choose_kernels(const std::string& isa);

// Selects the device of a rank's tensors, and makes a selected GPU the current device. `auto` selects a GPU
// on every rank or the CPU on every rank; if GPUs remain unused, `note` explains why. Collective.
at::Device choose_device(DeviceKind kind, bool share, const comm::World& world, double timeout_s,
                         std::string& note);

}  // namespace ebb::train
