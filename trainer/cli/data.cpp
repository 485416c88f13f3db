// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/checks.h"
#include "cli/commands.h"
#include "data/format.h"
#include "data/sentence_piece_training.h"
#include "data/tokenizer.h"
#include "telemetry/progress_line.h"

namespace ebb::cli {
namespace {

ExitCode pack(const data::Formats& formats, const data::PackRequest& request) {
  const data::Packer& packer = data::find_packer(formats, request);
  telemetry::ProgressLine line("packing", packer.unit);
  const std::string summary = packer.pack(
      request, formats, [&line](std::int64_t done, std::int64_t total) { line.show(done, total); });
  line.done();
  print(summary);
  return ExitCode::ok;
}

ExitCode verify(const data::Formats& formats, const std::string& folder) {
  telemetry::ProgressLine line("verifying", "samples");
  const std::string summary = data::verify(
      formats, folder, [&line](std::int64_t done, std::int64_t total) { line.show(done, total); });
  line.done();
  print(summary);
  return ExitCode::ok;
}

// The texts of the formats that have one, joined by `between`.
template <class Text>
std::string joined(const data::Formats& formats, const char* between, const Text& text_of) {
  std::string all;
  for (const data::Format& format : formats)
    if (const std::string text = text_of(format); !text.empty()) all += (all.empty() ? "" : between) + text;
  return all;
}

std::string packs_help(const data::Formats& formats) {
  return "Make " + joined(formats, ", or ", [](const data::Format& format) -> std::string {
           if (!format.packer) return "";
           const data::Packer& packer = *format.packer;
           return packer.option.empty() ? packer.output
                                        : fmt::format("with {} {}", packer.option, packer.output);
         });
}

void add_json_lines(CLI::App& command, std::string& key, bool& skip_bad_lines) {
  command.add_option("--key", key, "Key of the text in JSON lines")->capture_default_str();
  command.add_flag("--skip-bad-lines", skip_bad_lines,
                   "Skip lines of JSON without such a text, and say how many");
}

void add_pack(CLI::App& data, Invocation& invocation, const data::Formats& formats) {
  auto request = std::make_shared<data::PackRequest>();
  CLI::App* command = data.add_subcommand("pack", packs_help(formats));
  command
      ->add_option(
          "INPUT", request->inputs,
          joined(formats, "; or ",
                 [](const data::Format& format) { return format.packer ? format.packer->input : ""; }))
      ->required();
  command->add_option(
      "--tokenizer", request->tokenizer,
      "Tokenizer for text. bytes: each byte is a token. Or a sentencepiece model FILE.model "
      "(`ebb data tokenizer` makes one), or a folder with byte pairs: tokenizer.json, or vocab.json and "
      "merges.txt");
  command
      ->add_option("--test-share", request->test_share,
                   "Share of the input for the test split: OUT becomes a folder with both splits. Of a text, "
                   "the last tokens; of pictures, a random choice that is always the same")
      ->check(CLI::Range(0.0, 0.9));
  add_json_lines(*command, request->key, request->skip_bad_lines);
  command->add_option("--pad", request->pad, "Pad images with zeros to this height and width, such as 32")
      ->check(CLI::Range(1, 65536));
  command->add_option("--size", request->size, "Scale pictures to this height and width, such as 32")
      ->check(CLI::Range(1, 8192));
  command->add_flag("--crop", request->crop,
                    "With --size: use the square in the middle of a picture, instead of stretching it");
  command->add_option("--channels", request->channels, "Channels of pictures: 1, 3 or 4 (default: 3)")
      ->check(CLI::IsMember({1, 3, 4}));
  command
      ->add_option("--layout", request->layout,
                   "Order of the four axes in .npy, .npz and .safetensors files: NCHW or NHWC (default: the "
                   "one that fits)")
      ->check(CLI::IsMember({"NCHW", "NHWC"}));
  command->add_option("--labels", request->labels, "File of labels in IDX, for images in IDX");
  command
      ->add_option(
          "-o,--out", request->out,
          "Output: the folder of one split, such as data/fashion-mnist/train, or a token file. If INPUT "
          "has splits, or with --test-share: a folder for both")
      ->required()
      ->check(not_empty());
  command->add_option("--shard-size", request->shard_size, "Uncompressed size at which a new shard begins")
      ->capture_default_str();
  command->add_option("--compression", request->compression, "How shards are compressed")
      ->check(CLI::IsMember({"none", "zstd"}))
      ->capture_default_str();
  command->callback([request, &formats, &invocation] {
    invocation.run = [request, &formats] { return pack(formats, *request); };
  });
}

ExitCode tokenizer(const data::TrainTokenizerOptions& options) {
  const std::int64_t skipped = data::train_tokenizer(options);
  print(fmt::format("made: a tokenizer of {} tokens, in {}", data::make_tokenizer(options.out)->vocabulary(),
                    options.out.string()));
  if (skipped > 0) print(fmt::format("skipped: {} bad line{} of JSON", skipped, skipped == 1 ? "" : "s"));
  return ExitCode::ok;
}

void add_tokenizer(CLI::App& data, Invocation& invocation) {
  auto options = std::make_shared<data::TrainTokenizerOptions>();
  CLI::App* command = data.add_subcommand("tokenizer", "Train a sentencepiece tokenizer on text");
  command
      ->add_option("INPUT", options->inputs.files,
                   "Text files and JSON lines (.jsonl, .ndjson, .json), also as .gz or .zst")
      ->required();
  add_json_lines(*command, options->inputs.key, options->inputs.skip_bad_lines);
  command->add_option("-o,--out", options->out, "The file to make; ends in .model")
      ->required()
      ->check(not_empty());
  command->add_option("--vocabulary", options->vocabulary, "Number of tokens, 256 of them single bytes")
      ->capture_default_str()
      ->check(CLI::Range(300, 1 << 20));
  command
      ->add_option_function<std::string>(
          "--kind", [options](const std::string& kind) { options->byte_pairs = kind == "bpe"; },
          "bpe: merges of frequent pairs; unigram: pieces that maximise the likelihood of the text (default: "
          "bpe)")
      ->check(CLI::IsMember({"bpe", "unigram"}));
  command->callback([options, &invocation] { invocation.run = [options] { return tokenizer(*options); }; });
}

}  // namespace

void add_data(CLI::App& app, Invocation& invocation) {
  CLI::App* command = add_command(app, "data");
  command->require_subcommand(1);
  const data::Formats& formats = invocation.registries.formats;
  add_pack(*command, invocation, formats);
  add_tokenizer(*command, invocation);
  auto folder = std::make_shared<std::string>();
  CLI::App* inspecting = command->add_subcommand("inspect", "Describe the contents of a dataset");
  inspecting
      ->add_option("PATH", *folder,
                   joined(formats, ", or ", [](const data::Format& format) { return format.texts.path; }))
      ->required();
  inspecting->callback([folder, &formats, &invocation] {
    invocation.run = [folder, &formats] {
      print(data::inspect(formats, *folder));
      return ExitCode::ok;
    };
  });
  CLI::App* verifying =
      command->add_subcommand("verify", "Read a dataset whole and check hashes, offsets and sizes");
  verifying
      ->add_option("FOLDER", *folder,
                   joined(formats, ", or ",
                          [](const data::Format& format) {
                            return format.verify ? format.texts.path : std::string();
                          }))
      ->required();
  verifying->callback([folder, &formats, &invocation] {
    invocation.run = [folder, &formats] { return verify(formats, *folder); };
  });
}

}  // namespace ebb::cli
