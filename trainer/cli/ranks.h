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
struct Registries;
}  // namespace ebb::train

namespace CLI {
class Option;
}

namespace ebb::cli {

// Makes the World and runs `body` on this rank. If `body` throws, ends all ranks with one code. The failed
// rank prints the message with its rank and host; all other ranks print nothing.
ExitCode run_on_ranks(const Invocation& invocation, const std::function<ExitCode(comm::World&)>& body);

// Makes the command run `body` on every rank.
void set_ranks_callback(CLI::App& command, Invocation& invocation,
                        std::function<ExitCode(comm::World&)> body);

// The configuration that a command line names.
struct ConfigArguments {
  std::string file;
  std::vector<std::string> overrides;
};

// Adds CONFIG and the overrides to the command. `arguments` has to outlive it. Returns the option of CONFIG.
CLI::Option* add_config_arguments(CLI::App& command, ConfigArguments& arguments, const std::string& help);

// Reads the configuration on every rank, and opens the CUDA library if the run may use a GPU. Call it before
// any use of a tensor: ATen looks for CUDA only once, at its first use. Collective.
train::Config load_on_ranks(comm::World& world, const train::Registries& registries,
                            const ConfigArguments& arguments);

}  // namespace ebb::cli
