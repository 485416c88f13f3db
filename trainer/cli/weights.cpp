#include "train/weights.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/file.h"
#include "base/shell.h"
#include "base/units.h"
#include "cli/commands.h"
#include "config/document.h"
#include "memory/ledger.h"
#include "train/load_model.h"
#include "train/summary.h"

namespace ebb::cli {

namespace {

memory::Ledger& install_ledger() {
  auto* ledger = new memory::Ledger;  // outlives every tensor
  memory::install(*ledger);
  return *ledger;
}

struct ExportOptions {
  std::string checkpoint, out, max_file = "5GB";
};

ExitCode run_export(const ExportOptions& options) {
  const auto most = parse_bytes(options.max_file);
  if (!most || *most < 1)
    throw Error(
        ExitCode::usage,
        fmt::format("export: --max-file {} is no size: give a number of bytes with a unit, such as 5GB",
                    options.max_file));
  install_ledger();
  const train::LoadedModel loaded = train::load_model(options.checkpoint);
  const auto result = train::export_weights(loaded, options.out, *most);
  std::cout << fmt::format("exported: {} tensors of step {} of {}, {} in {} file{}, in {}\n", result.tensors,
                           loaded.step, loaded.config.run.name, format_bytes(result.bytes), result.files,
                           result.files == 1 ? "" : "s", options.out);
  return ExitCode::ok;
}

ExitCode run_import(const std::string& folder, const std::string& out) {
  std::error_code ignored;
  if (std::filesystem::exists(out, ignored))
    throw Error(ExitCode::usage, fmt::format("{} is there: give another -o, or remove it", out));
  install_ledger();
  train::WeightFolder weights(folder);
  train::Config config;
  config.model.kind = models::Kind::gpt;
  config.model.gpt = weights.config();
  config.model.gpt.weights = std::filesystem::absolute(folder).lexically_normal().string();
  config.run.name = std::filesystem::path(out).stem().string();
  config.data.source = "data/tokens";
  for (const data::Format& format : *config.data.formats)
    if (format.brings(core::kTokensField) && format.recognizes) config.data.format = format.name;
  config.data.context = std::min<std::int64_t>(*weights.config().context, 1024);
  config.data.batch = 8;
  config.optimizer.lr = 2e-5;
  config.precision.dtype = weights.is_bf16() ? numerics::Dtype::bf16 : numerics::Dtype::fp16;
  const std::string text = fmt::format(
      "# Goes on training the weights in {}.\n"
      "# To do: data.source, a folder with train.bin and test.bin in that model's own tokens.\n{}",
      config.model.gpt.weights, config::resolved_yaml(train::described(config)));
  // What cannot be (heads that do not divide the width) is refused here and not at the start of a run.
  train::Config checked;
  config::Section section = train::described(checked);
  config::load_text(text, "the configuration of " + folder, {}, section);
  weights.require(weights.config(), *weights.config().context);
  if (const auto parent = std::filesystem::path(out).parent_path(); !parent.empty()) make_folders(parent);
  write_file_atomically(out, text);
  std::cout << fmt::format(
      "imported: every tensor of {} is there and fits. {} trains from it once its data.source is set:\n"
      "  {} train {} data.source=FOLDER\n",
      folder, out, shell_quoted(train::program_name()), shell_quoted(out));
  return ExitCode::ok;
}

}  // namespace

void add_weights(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* exporting = add_command(app, "export");
  exporting
      ->add_option("checkpoint", options->checkpoint,
                   "A run's folder (its newest whole checkpoint) or a checkpoint's")
      ->required();
  exporting->add_option("-o,--out", options->out, "Folder to make")->required();
  exporting
      ->add_option("--max-file", options->max_file, "Size above which weights are split into several files")
      ->capture_default_str();
  exporting->callback(
      [options, &invocation] { invocation.run = [options] { return run_export(*options); }; });

  auto folder = std::make_shared<std::string>();
  auto out = std::make_shared<std::string>();
  CLI::App* importing = add_command(app, "import");
  importing->add_option("folder", *folder, "Folder with config.json and model.safetensors (GPT-2, Llama)")
      ->required();
  importing->add_option("-o,--out", *out, "Configuration to write (YAML)")->required();
  importing->callback(
      [folder, out, &invocation] { invocation.run = [folder, out] { return run_import(*folder, *out); }; });
}

}  // namespace ebb::cli
