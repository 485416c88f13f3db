// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "comm/world.h"
#include "doctor/machine.h"

namespace ebb::doctor {

// Gathers the facts that each rank reports about its machine, in rank order. `folder` selects the disk to
// examine. Error(communication) if a rank runs another version of ebb with other facts. Collective.
std::vector<RankFacts> facts_of_all(const comm::World& world, const std::string& folder);

}  // namespace ebb::doctor
