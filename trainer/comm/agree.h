#pragma once
#include <functional>
#include <string>
#include <vector>

#include "comm/reported.h"
#include "comm/world.h"

namespace ebb::comm {

// Runs `work` on every rank and waits for all: what each rank's work returned, in rank order. When it throws
// on some, all ranks throw: the lowest of those that failed its own exception, the others ReportedElsewhere
// with its code. So the message is printed once, by the rank that failed. Collective.
std::vector<std::string> gather_from_all(const World& world, double timeout_s,
                                         const std::function<std::string()>& work);

// The same for work without a result.
void agree(const World& world, double timeout_s, const std::function<void()>& action);

}  // namespace ebb::comm
