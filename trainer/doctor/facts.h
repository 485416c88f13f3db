#pragma once
#include <string>
#include <vector>

#include "comm/world.h"
#include "doctor/machine.h"

namespace ebb::doctor {

// What each rank sees of its machine, in rank order; `folder`: whose disk counts. Collective.
// Error(communication) where a rank is another version of ebb that tells other facts.
std::vector<RankFacts> facts_of_all(const comm::World& world, const std::string& folder);

}  // namespace ebb::doctor
