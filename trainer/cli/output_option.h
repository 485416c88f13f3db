// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::cli {

// What a command writes to a file that an option names.
enum class OutputKind {
  png,   // the name ends in .png; it replaces a PNG
  json,  // it replaces JSON
  text   // replaces nothing: any text may be of value
};

// Checks, before the work of a command, that it can write `path`. Empty: it will not. Error(usage) names the
// option if the folder is missing, if the path is a folder, a pipe or a device, if it has another ending, or
// if a file is there that this command does not write.
void check_output_option(const std::string& option, const std::string& path, OutputKind kind);

}  // namespace ebb::cli
