// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/units.h"
#include "cli/checkpoint_options.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "train/load_model.h"
#include "train/weight_export.h"

namespace ebb::cli {

namespace {

struct ExportOptions {
  CheckpointOptions checkpoint;
  std::string out, max_file = "5GB";
};

ExitCode run_export(const ExportOptions& options, const train::Registries& registries) {
  const auto most = parse_bytes(options.max_file);
  if (!most || *most < 1)
    throw Error(
        ExitCode::usage,
        fmt::format("export: --max-file {} is not a size: give a number of bytes with a unit, such as 5GB",
                    options.max_file));
  memory::install(*new memory::Ledger);  // outlives all tensors
  const train::LoadedModel loaded = train::load_model(
      options.checkpoint.path, registries, options.checkpoint.choice(), options.checkpoint.overrides);
  const auto result = train::export_weights(loaded, options.out, *most);
  print(fmt::format("exported: {} tensors of step {} of {}, {} in {} file{}, in {}\n", result.tensors,
                    loaded.step, loaded.config.run.name, format_bytes(result.bytes), result.files,
                    result.files == 1 ? "" : "s", options.out));
  return ExitCode::ok;
}

}  // namespace

void add_export(CLI::App& app, Invocation& invocation) {
  auto* command = add_command(app, "export");
  auto options = std::make_shared<ExportOptions>();
  options->checkpoint.add_to(*command);
  command->add_option("-o,--out", options->out, "Folder to make")->required()->check(not_empty());
  command
      ->add_option("--max-file", options->max_file, "Size above which weights are split into several files")
      ->capture_default_str();
  command->callback([options, &invocation] {
    invocation.run = [options, &invocation] { return run_export(*options, invocation.registries); };
  });
}

}  // namespace ebb::cli
