#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/progress_line.h"
#include "data/pack.h"

namespace ebb::cli {
namespace {

void print(std::string text) {
  if (text.empty() || text.back() != '\n') text += '\n';
  std::fputs(text.c_str(), stdout);
}

struct PackArguments {
  data::PackOptions options;
  std::string shard_size = "8MiB";
};

ExitCode pack(PackArguments arguments) {
  const auto bytes = parse_bytes(arguments.shard_size);
  if (!bytes || *bytes < 1) {
    throw Error(
        ExitCode::usage,
        fmt::format("data pack: --shard-size {} is no size: give a number of bytes with a unit, such as 8MiB",
                    arguments.shard_size));
  }
  arguments.options.shard_bytes = *bytes;
  ProgressLine line("packing", "samples");
  const data::PackResult result = data::pack_idx(
      arguments.options, [&line](std::int64_t done, std::int64_t total) { line.show(done, total); });
  line.done();
  const std::string what =
      fmt::format("{} samples in {} shard{}, {}, in {}", result.samples, result.shards,
                  result.shards == 1 ? "" : "s", format_bytes(result.bytes), arguments.options.out.string());
  print((result.already_there ? "already packed: " : "packed: ") + what);
  return ExitCode::ok;
}

ExitCode verify(const std::string& folder) {
  ProgressLine line("verifying", "samples");
  const std::string summary =
      data::verify(folder, [&line](std::int64_t done, std::int64_t total) { line.show(done, total); });
  line.done();
  print(summary);
  return ExitCode::ok;
}

void add_pack(CLI::App& data, Invocation& invocation) {
  auto arguments = std::make_shared<PackArguments>();
  CLI::App* command = data.add_subcommand(
      "pack", "Make MDS shards of an IDX dataset (the MNIST family's files, plain or gzipped)");
  command->add_option("IMAGES", arguments->options.images, "IDX file of images, plain or .gz")->required();
  command->add_option("--labels", arguments->options.labels, "IDX file of labels, plain or .gz");
  command
      ->add_option("-o,--out", arguments->options.out,
                   "Folder to make: one split, such as data/fashion-mnist/train")
      ->required();
  command->add_option("--shard-size", arguments->shard_size, "Uncompressed size at which a new shard begins")
      ->capture_default_str();
  command->add_option("--compression", arguments->options.compression, "How shards are compressed")
      ->check(CLI::IsMember({"none", "zstd"}))
      ->capture_default_str();
  command->callback([arguments, &invocation] { invocation.run = [arguments] { return pack(*arguments); }; });
}

}  // namespace

void add_data(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("data", "Make, look into and check shards");
  command->require_subcommand(1);
  add_pack(*command, invocation);
  auto folder = std::make_shared<std::string>();
  CLI::App* inspecting =
      command->add_subcommand("inspect", "Say what a folder of shards or a file of tokens holds");
  inspecting->add_option("PATH", *folder, "Folder with an index.json, or a token file of llm.c or Megatron")
      ->required();
  inspecting->callback([folder, &invocation] {
    invocation.run = [folder] {
      print(data::inspect(*folder));
      return ExitCode::ok;
    };
  });
  CLI::App* verifying =
      command->add_subcommand("verify", "Read every shard whole and check hashes, offsets and sizes");
  verifying->add_option("FOLDER", *folder, "Folder with an index.json")->required();
  verifying->callback([folder, &invocation] { invocation.run = [folder] { return verify(*folder); }; });
}

}  // namespace ebb::cli
