// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "comm/remote_error.h"
#include "comm/world.h"

namespace ebb::comm {

// Runs `work` on every rank and returns the results of all ranks in rank order. Collective, within
// `timeout_s` seconds. If `work` throws on any rank, all ranks throw. The lowest failing rank throws its own
// exception, all other ranks RemoteError with the same code. Only one rank therefore prints the
// message.
std::vector<std::string> gather_from_all(const World& world, double timeout_s,
                                         const std::function<std::string()>& work);

// The same for an action without a result.
void run_on_all_ranks(const World& world, double timeout_s, const std::function<void()>& action);

}  // namespace ebb::comm
