// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/shell.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "train/summary.h"
#include "train/weights.h"

namespace ebb::cli {

namespace {

struct ImportOptions {
  std::string folder, out;
};

struct DtypeChoice {
  numerics::Dtype dtype;
  std::string reason;  // for the message; empty if all tensors have one dtype
};

// A run in fp16 continues the weights in fp16 and fp32 that it can hold. A tensor in bf16 may come to have
// values that it cannot.
DtypeChoice choose_dtype(const train::WeightFolder& weights) {
  const auto dtypes = weights.dtypes();
  const train::WeightFolder::Extreme extreme = weights.extreme();
  std::string counts;
  for (const auto& [name, count] : dtypes)
    counts += fmt::format("{}{} of {}", counts.empty() ? "" : ", ", count, name);
  if (!extreme.fits_fp16())
    return {numerics::Dtype::bf16,
            fmt::format(" ({}). precision.dtype is bf16, since {} has a value of {:g}, "
                        "above fp16's 65504",
                        counts, extreme.tensor, extreme.magnitude)};
  const bool has_bf16 = dtypes.contains("BF16");
  if (dtypes.size() == 1) return {has_bf16 ? numerics::Dtype::bf16 : numerics::Dtype::fp16, ""};
  return {has_bf16 ? numerics::Dtype::bf16 : numerics::Dtype::fp16,
          fmt::format(" ({}). precision.dtype is {}", counts, has_bf16 ? "bf16" : "fp16")};
}

ExitCode run_import(const std::string& folder, const std::string& out, const train::Registries& registries) {
  std::error_code ignored;
  if (std::filesystem::exists(out, ignored))
    throw Error(ExitCode::usage, fmt::format("{} exists: give another -o, or remove it", out));
  memory::install(*new memory::Ledger);       // outlives all tensors
  constexpr std::int64_t kMaxContext = 1024;  // default window in tokens, for models with a longer context
  train::WeightFolder weights(folder, registries.families);
  train::Config config(registries);
  config.model.choose(weights.family().name, weights.config().clone());
  config.run.name = std::filesystem::path(out).stem().string();
  const auto fits = [&weights](const data::Format& format) {
    return std::ranges::all_of(weights.family().reads,
                               [&format](const std::string& field) { return format.provides(field); });
  };
  if (const auto found = std::ranges::find_if(config.data.formats, fits); found != config.data.formats.end())
    config.data.format = found->name;
  config.data.source = "data/" + config.data.format;
  config.data.context = std::min<std::int64_t>(weights.config().context().value_or(kMaxContext), kMaxContext);
  config.data.batch = 8;
  config.optimizer.lr = 2e-5;
  weights.require(weights.config(), config.data.context, true);
  const DtypeChoice choice = choose_dtype(weights);
  config.precision.dtype = choice.dtype;
  const std::string text = fmt::format(
      "# Continues the training of the weights in {}.\n"
      "# To do: data.source, a folder with {}, {}.\n{}",
      config.model.chosen().initial_weights(), config.data.entry().texts.source,
      weights.family().hub->data_condition(), train::resolved_yaml(config));
  // Refuses an impossible model (heads that do not divide the width) here, not at the start of a run.
  train::Config checked(registries);
  train::load_text(checked, text, "the configuration of " + folder, {});
  if (const auto parent = std::filesystem::path(out).parent_path(); !parent.empty()) make_folders(parent);
  write_file_atomically(out, text);
  print(fmt::format(
      "imported: {} has every tensor that the model needs{}. Set data.source, and {} trains from it:\n{}\n",
      folder, choice.reason, out,
      wrap_command(fmt::format("  {} train {} data.source=FOLDER", shell_quoted(train::program_name()),
                               shell_quoted(out)),
                   output_columns())));
  return ExitCode::ok;
}

}  // namespace

void add_import(CLI::App& app, Invocation& invocation) {
  auto* command = add_command(app, "import");
  auto options = std::make_shared<ImportOptions>();
  command
      ->add_option("folder", options->folder,
                   fmt::format("Folder with model.safetensors and a config.json whose model_type is {}",
                               fmt::join(models::hub_model_types(invocation.registries.families), " or ")))
      ->required();
  command->add_option("-o,--out", options->out, "Configuration to write (YAML)")->required();
  command->callback([options, &invocation] {
    invocation.run = [options, &invocation] {
      return run_import(options->folder, options->out, invocation.registries);
    };
  });
}

}  // namespace ebb::cli
