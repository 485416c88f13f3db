// SPDX-License-Identifier: Apache-2.0
// `ebb`: the small program, which links no LibTorch. It runs `config` and `launch`, lists every command in
// its help, and replaces itself by `ebb-core` for all other commands.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "base/process.h"
#include "base/terminal.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/help_formatter.h"
#include "data/format.h"
#include "launch/core_executable.h"
#include "models/families.h"

namespace {

using ebb::cli::Executable;

bool runs_in_core(std::string_view argument) {
  // ebb-core prints the versions of the libraries that it links.
  if (argument == "--version") return true;
  const auto is_it = [&](const ebb::cli::Command& command) {
    return command.executable == Executable::core && command.name == argument;
  };
  return std::ranges::any_of(ebb::cli::kCommands, is_it);
}

// Prints the version of this program if ebb-core cannot print all of them.
void print_version_without_core() {
  const std::string core = ebb::launch::core_executable_path();
  if (::access(core.c_str(), X_OK) == 0) return;
  std::printf("ebb      %s\nebb-core: missing or not executable at %s\n", ebb::version(), core.c_str());
}

// Replaces this process: the same arguments, the same process number, and the exit code of ebb-core.
int exec_core(char** argv) {
  try {
    if (std::string_view(argv[1]) == "--version") print_version_without_core();
    std::string core = ebb::launch::core_executable();
    argv[0] = core.data();
    ::execv(core.c_str(), argv);
    throw ebb::Error(ebb::ExitCode::internal, fmt::format("cannot run {}: {}", core, std::strerror(errno)));
  } catch (const ebb::Error& error) {
    ebb::cli::report(error.what());
    return static_cast<int>(error.code());
  }
}

// Other programs have a command `help`, and -v or `version` for the version.
void replace_synonyms(int& argc, char** argv) {
  static char help[] = "--help", version[] = "--version";
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "-v" || first == "-V" || first == "version") argv[1] = version;
  if (first != "help") return;
  if (argc == 2) {
    argv[1] = help;
  } else {
    argv[1] = argv[2];
    argv[2] = help;
    argc = 3;
    argv[3] = nullptr;
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ebb;
  prepare_process();
  replace_synonyms(argc, argv);
  if (argc > 1 && runs_in_core(argv[1])) return exec_core(argv);
  CLI::App app("ebb trains generative models on many ranks and accounts for every byte of them.", "ebb");
  cli::fit_help(app, output_columns());
  app.require_subcommand(1);
  app.add_flag("--version")->description("Print the versions of ebb and of what it links");
  cli::Invocation invocation{argc, argv, {models::described_families(), data::builtin_formats()}, {}};
  for (const cli::Command& command : cli::kCommands) {
    if (command.name == "launch") {
      cli::add_launch(app, invocation);
    } else if (command.name == "config") {
      cli::add_config(app, invocation);
    } else {
      // This entry is for the help. A command line with another word before the command ends here.
      const std::string name(command.name);
      cli::add_command(app, name)->callback([name, &invocation] {
        invocation.run = [name]() -> ExitCode {
          throw Error(ExitCode::usage, fmt::format("write the command first: ebb {} …", name));
        };
      });
    }
  }
  return cli::run_program(app, invocation);
}
