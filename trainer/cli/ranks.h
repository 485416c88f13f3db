// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/program.h"
#include "comm/world.h"

namespace ebb::train {
struct Config;
}

namespace ebb::cli {

// Makes the World and runs `body` on this rank. If `body` throws, ends all ranks with one code. The failed
// rank prints the message with its rank and host; all other ranks print nothing.
ExitCode run_on_ranks(const Invocation& invocation, const std::function<ExitCode(comm::World&)>& body);

// Reads the configuration on every rank, and opens the CUDA library if the run may use a GPU. Call it before
// any use of a tensor: ATen looks for CUDA only once, at its first use. Collective.
train::Config load_on_ranks(comm::World& world, const models::Families& families, const std::string& file,
                            const std::vector<std::string>& overrides);

}  // namespace ebb::cli
