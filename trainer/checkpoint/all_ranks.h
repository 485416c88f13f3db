#pragma once
#include <functional>
#include <string>
#include <vector>

#include "comm/world.h"

namespace ebb::checkpoint {

// Runs `work` on every rank and waits for all: what each rank's work returned, in rank order. Where it threw
// on any rank, every rank throws: rank 0 an Error with that rank's code and message (the lowest one's; rank
// and host before it, so that it is said once and by a rank that is sure to be heard), the others
// comm::ReportedElsewhere with the same code. Collective.
std::vector<std::string> on_all_ranks(const comm::World& world, double timeout_s,
                                      const std::function<std::string()>& work);

}  // namespace ebb::checkpoint
