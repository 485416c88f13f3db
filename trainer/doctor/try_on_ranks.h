// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "doctor/outcomes.h"

namespace ebb::doctor {

// Runs `work` on every rank. Returns the outcomes of all ranks, in rank order; an exception of `work` becomes
// its outcome. `work` returns what it found. Collective.
std::vector<Outcome> try_on_ranks(const comm::World& world, double timeout_s,
                                  const std::function<std::string()>& work);

}  // namespace ebb::doctor
