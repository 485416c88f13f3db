// SPDX-License-Identifier: Apache-2.0
#include "train/config.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/terminal.h"
#include "cli/commands.h"
#include "config/document.h"

namespace ebb::cli {
namespace {

struct ConfigOptions {
  bool schema = false;
  bool explain = false;
  std::string key;  // to explain; empty: every key
  std::string file;
  std::vector<std::string> overrides;
};

void print(std::string text) {
  if (text.empty() || text.back() != '\n') text += '\n';
  std::fputs(text.c_str(), stdout);
}

ExitCode show(const ConfigOptions& options, const train::Registries& registries) {
  const int asked = (options.schema ? 1 : 0) + (options.explain ? 1 : 0) + (options.file.empty() ? 0 : 1);
  if (asked != 1) {
    throw Error(
        ExitCode::usage,
        "config: give one of these three:\n"
        "  ebb config --explain [KEY]               explain one key or all keys\n"
        "  ebb config --schema                      the JSON Schema of all keys\n"
        "  ebb config FILE.yaml [key.path=value …]  check a file and print it with all defaults filled in");
  }
  train::Config config(registries);
  if (!options.file.empty()) {
    train::load(config, options.file, options.overrides);
    print(train::resolved_yaml(config));
    return ExitCode::ok;
  }
  const config::Section section = train::described(config);
  print(options.schema ? config::json_schema(section)
                       : wrap(config::explain(section, options.key), output_columns(), 0));
  return ExitCode::ok;
}

}  // namespace

void add_config(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<ConfigOptions>();
  CLI::App* command = add_command(app, "config");
  command->add_flag("--schema", options->schema, "Print the JSON Schema of a configuration file");
  CLI::Option* explain = command->add_option("--explain", options->key,
                                             "Explain a key, or every key: type, default, unit, bounds");
  explain->expected(0, 1)->type_name("KEY");
  command->add_option("FILE", options->file, "Check this file and print it with all defaults filled in");
  command->add_option("overrides", options->overrides, "key.path=value, applied after the file");
  command->callback([options, explain, &invocation] {
    options->explain = explain->count() > 0;
    invocation.run = [options, &invocation] { return show(*options, invocation.registries); };
  });
}

}  // namespace ebb::cli
