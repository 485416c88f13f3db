// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include "comm/world.h"
#include "doctor/checkup.h"
#include "models/runner_factory.h"
#include "train/config.h"

namespace ebb::doctor {

// The check "plan": plans the run of `config` and compares its need with the memory of each host, as the run
// itself does before its first step. `world`: the ranks of the run, or some of them; parallel.ranks is then
// the number of all. A model of images on a GPU passes without a plan. Collective; the data must open.
Check check_memory_need(const train::Config& config, const comm::World& world, at::Device device,
                        const models::RunnerFactory& make_runner);

}  // namespace ebb::doctor
