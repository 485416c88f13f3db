// SPDX-License-Identifier: Apache-2.0
#include "cli/program.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string_view>

#include "base/printable.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/usage_hints.h"

namespace ebb::cli {
namespace {

int report_usage(const CLI::App& app, const Invocation& invocation, const CLI::ParseError& error) {
  // CLI11 throws --help and --version as errors of code 0. Everything else is a wrong command line.
  if (error.get_exit_code() == 0) return app.exit(error);
  const std::string hint = argument_hint(app, invocation, error);
  report(error.what() + (hint.empty() ? "" : "\n  " + hint) + "\n  see: " + fitting_help(app));
  return static_cast<int>(ExitCode::usage);
}

// The output of these commands is a report of the work, and losing it does not undo the work.
bool may_lose_output(std::string_view command) {
  return command == "train" || command == "launch";
}

ExitCode check_output(ExitCode code) {
  std::cout.flush();
  const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout;
  if (!lost || code != ExitCode::ok) return code;
  report("cannot write to standard output: its disk may be full");
  return ExitCode::storage;
}

}  // namespace

CLI::App* add_command(CLI::App& app, std::string_view name) {
  const auto command = std::ranges::find(kCommands, name, &Command::name);
  if (command == kCommands.end())
    throw Error(ExitCode::internal, "commands.h does not list the command " + std::string(name));
  return app.add_subcommand(std::string(name), std::string(command->help));
}

void print(std::string text) {
  if (text.empty() || text.back() != '\n') text += '\n';
  std::fputs(wrap(printable(text), output_columns()).c_str(), stdout);
  std::fflush(stdout);
}

void report(const std::string& message) {
  std::fflush(stdout);
  std::string text = "ebb: " + printable(message) + "\n";
  // `ebb launch` reads the messages of its ranks, and a log is searched for them: there a line stays whole.
  if (screen_of(STDERR_FILENO) != Screen::none) text = wrap(text, columns_of(STDERR_FILENO));
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

int run_program(CLI::App& app, Invocation& invocation) {
  const char* const first = invocation.argc > 1 ? invocation.argv[1] : "-";
  const auto is_first = [&](const CLI::App* command) { return command->get_name() == first; };
  if (first[0] != '-' && app.get_subcommands(is_first).empty()) {
    const std::string hint = command_hint(first);
    report(std::string("there is no command \"") + first + "\"" + (hint.empty() ? "" : "\n  " + hint) +
           "\n  see: ebb --help");
    return static_cast<int>(ExitCode::usage);
  }
  try {
    app.parse(invocation.argc, invocation.argv);
    const ExitCode code = invocation.run();
    return static_cast<int>(may_lose_output(first) ? code : check_output(code));
  } catch (const CLI::ParseError& error) {
    return report_usage(app, invocation, error);
  } catch (const Error& error) {
    report(error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    report(std::string("the system refuses memory to `ebb ") + first +
           "`: check its limits and which other programs use its memory");
    return static_cast<int>(ExitCode::memory);
  } catch (const std::exception& error) {
    report(std::string("internal error: ") + error.what());
    return static_cast<int>(ExitCode::internal);
  }
}

}  // namespace ebb::cli
