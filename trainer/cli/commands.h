#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "comm/world.h"

namespace CLI {
class App;
}
namespace ebb::train {
struct Config;
}

namespace ebb::cli {

// What the parsed command line asks for. Each subcommand sets `run`; main calls it and turns an Error into
// the exit code.
struct Invocation {
  int argc = 0;
  char** argv = nullptr;
  std::function<ExitCode()> run;
};

void add_train(CLI::App& app, Invocation& invocation);
void add_sample(CLI::App& app, Invocation& invocation);
void add_weights(CLI::App& app, Invocation& invocation);  // export, import
void add_data(CLI::App& app, Invocation& invocation);
void add_config(CLI::App& app, Invocation& invocation);
void add_launch(CLI::App& app, Invocation& invocation);
void add_plan(CLI::App& app, Invocation& invocation);
void add_preflight(CLI::App& app, Invocation& invocation);
void add_doctor(CLI::App& app, Invocation& invocation);

// Makes the World, runs `body` on this rank and ends all ranks with one code when it throws: the rank that
// failed prints the message with its rank and host, the others are silent.
ExitCode run_on_ranks(const Invocation& invocation, const std::function<ExitCode(comm::World&)>& body);

// The configuration, read by every rank, and CUDA's library opened where the run may use a GPU: ATen asks
// once, at its first use, whether CUDA is there. Before anything touches a tensor. Collective.
train::Config load_on_ranks(comm::World& world, const std::string& file,
                            const std::vector<std::string>& overrides);

// "ebb: MESSAGE" on standard error.
void report(const std::string& message);

}  // namespace ebb::cli
