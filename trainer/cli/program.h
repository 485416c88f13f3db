// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "models/family.h"
#include "models/runner_factory.h"

namespace CLI {
class App;
}

namespace ebb::cli {

// What main was given, and what the parsed subcommand runs. Each subcommand sets `run`.
struct Invocation {
  int argc = 0;
  char** argv = nullptr;
  models::Families families;  // of which a configuration may name one
  std::function<ExitCode()> run;
  models::RunnerFactory make_runner{};  // empty in a program without the framework
};

// Adds the subcommand with its line of help (commands.h).
CLI::App* add_command(CLI::App& app, std::string_view name);

// Parses the command line by `app` and runs the subcommand. Prints every error as "ebb: MESSAGE" and returns
// the exit code of the process.
int run_program(CLI::App& app, Invocation& invocation);

// "ebb: MESSAGE" on standard error.
void report(const std::string& message);

}  // namespace ebb::cli
