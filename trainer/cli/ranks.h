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

// Makes the World, runs `body` on this rank, and ends all ranks with one code when it throws. The rank that
// failed prints the message with its rank and host; the others print nothing.
ExitCode run_on_ranks(const Invocation& invocation, const std::function<ExitCode(comm::World&)>& body);

// Every rank reads the configuration, and opens the CUDA library where the run may use a GPU. Call it before
// anything touches a tensor: ATen asks for CUDA once, at its first use. Collective.
train::Config load_on_ranks(comm::World& world, const models::Families& families, const std::string& file,
                            const std::vector<std::string>& overrides);

}  // namespace ebb::cli
