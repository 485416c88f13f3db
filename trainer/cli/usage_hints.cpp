// SPDX-License-Identifier: Apache-2.0
#include "cli/usage_hints.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "cli/commands.h"
#include "config/document.h"

namespace ebb::cli {
namespace {

// The subcommand that the command line reached.
const CLI::App* last_parsed(const CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

std::vector<std::string> long_options(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  return names;
}

// Of "--lr" or "--learning-rate=1e-3": a key of the configuration.
std::string key_hint(std::string option, const train::Registries& registries) {
  std::ranges::replace(option, '-', '_');
  train::Config config(registries);
  const std::string path = config::suggested_path(train::described(config), option);
  return path.empty() ? "" : fmt::format("keys have no dashes: write `{}=VALUE`", path);
}

}  // namespace

std::string fitting_help(const CLI::App& app) {
  std::string help = "--help";
  for (const CLI::App* at = last_parsed(&app); at->get_parent() != nullptr; at = at->get_parent())
    help = at->get_name() + " " + help;
  return "ebb " + help;
}

std::string command_hint(std::string_view command) {
  std::vector<std::string> names;
  for (const Command& known : kCommands) names.emplace_back(known.name);
  const std::string near = nearest_name(command, names);
  return near.empty() ? "" : fmt::format("did you mean `ebb {}`?", near);
}

std::string argument_hint(const CLI::App& app, const Invocation& invocation, const CLI::ParseError& error) {
  const std::span given(invocation.argv, static_cast<std::size_t>(invocation.argc));
  if (std::ranges::any_of(given, [](std::string_view argument) { return argument == "-np"; }))
    return "-np is an option of mpirun: write `ebb launch -n N CONFIG`";
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError)) return "";
  const std::vector<std::string> extras = app.remaining(true);
  const auto option = std::ranges::find_if(extras, [](const std::string& e) { return e.starts_with("--"); });
  if (option == extras.end()) return "";
  const std::string name = option->substr(2, option->find('=') - 2);  // without '=': the rest
  if (const std::string near = nearest_name(name, long_options(*last_parsed(&app))); !near.empty())
    return fmt::format("did you mean `--{}`?", near);
  return key_hint(name, invocation.registries);
}

}  // namespace ebb::cli
