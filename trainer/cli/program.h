// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "models/runner_factory.h"
#include "train/config.h"

namespace CLI {
class App;
}

namespace ebb::cli {

// The arguments of main, and the function of the parsed subcommand. Each subcommand sets `run`.
struct Invocation {
  int argc = 0;
  char** argv = nullptr;
  train::Registries registries;
  std::function<ExitCode()> run;
  models::RunnerFactory make_runner{};  // empty in a program without LibTorch
};

// Adds the subcommand with its help text of commands.h.
CLI::App* add_command(CLI::App& app, std::string_view name);

// Parses the command line with `app` and runs the subcommand. Prints every error as "ebb: MESSAGE" and
// returns the exit code of the process.
int run_program(CLI::App& app, Invocation& invocation);

// Writes the text as lines to standard output, wrapped at its width (base/terminal.h), with escapes for bytes
// that are not printable (base/printable.h).
void print(std::string text);

// Prints "ebb: MESSAGE" to standard error, wrapped if that is a terminal.
void report(const std::string& message);

}  // namespace ebb::cli
