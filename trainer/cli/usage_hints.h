// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "cli/program.h"

namespace CLI {
class ParseError;
}

namespace ebb::cli {

// Returns the help that fits a wrong command line, such as "ebb data pack --help".
std::string fitting_help(const CLI::App& app);

// Returns what the user probably meant by a command that does not exist, or by an argument that `app` refused
// with `error`; empty if nothing is near. Else a text such as "did you mean `ebb launch`?".
std::string command_hint(std::string_view command);
std::string argument_hint(const CLI::App& app, const Invocation& invocation, const CLI::ParseError& error);

}  // namespace ebb::cli
