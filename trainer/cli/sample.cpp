// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <optional>

#include "base/atomic_file.h"
#include "checkpoint/store.h"
#include "cli/checkpoint_options.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/output_option.h"
#include "data/tokenizer.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "models/generate.h"
#include "models/model.h"
#include "telemetry/image_grid.h"
#include "train/load_model.h"

namespace ebb::cli {

namespace {

struct SampleOptions {
  CheckpointOptions checkpoint;
  std::string out;
  std::int64_t count = 64;
  std::int64_t seed = 0;
  std::string prompt;
  models::TextOptions text;
};

ExitCode draw_images(const SampleOptions& options, const train::LoadedModel& loaded,
                     models::ImageSampler& sampler, core::UnitRunner& runner) {
  if (options.out.empty())
    throw Error(ExitCode::usage,
                "sample: this model makes images: name a file for them, such as -o grid.png");
  check_output_option("-o", options.out, OutputKind::png);
  const at::Tensor images =
      sampler.sample(0, options.count, static_cast<std::uint64_t>(options.seed), runner);
  telemetry::write_grid(options.out, images, telemetry::columns_for(options.count));
  print(fmt::format("{} images from step {} of {} are in {}\n", options.count, loaded.step,
                    loaded.config.run.name, options.out));
  return ExitCode::ok;
}

// Writes generated text at once to standard output, or to a file that appears when it is complete.
class TextOut {
 public:
  explicit TextOut(const std::string& path) {
    if (!path.empty()) file_.emplace(path);
  }
  void put(std::string_view text) {
    if (file_) {
      file_->append(text);
      return;
    }
    std::cout << text << std::flush;
    if (!std::cout)
      throw Error(ExitCode::storage, "sample: cannot write to standard output; its disk may be full");
  }
  void end() {
    put("\n");
    if (file_) file_->commit();
  }

 private:
  std::optional<AtomicFile> file_;
};

ExitCode write_text(const SampleOptions& options, const train::LoadedModel& loaded,
                    models::TextSampler& sampler, core::UnitRunner& runner) {
  config::require_known(loaded.config.references, "data.tokenizer");
  const auto tokenizer = data::make_tokenizer(loaded.config.data.tokenizer);
  std::vector<std::int64_t> prompt = tokenizer->encode(options.prompt);
  // A text without a prompt begins like a document: after the end of another one.
  if (prompt.empty() && tokenizer->end_of_document()) prompt.push_back(*tokenizer->end_of_document());
  if (prompt.empty())
    throw Error(
        ExitCode::usage,
        "sample: without a tokenizer (data.tokenizer=none) there is no token that begins a text: give a "
        "prompt, such as --prompt '1 17 4'");
  models::check_prompt(sampler, prompt);
  check_output_option("-o", options.out, OutputKind::text);
  models::TextOptions text = options.text;
  text.sampling.seed = static_cast<std::uint64_t>(options.seed);
  text.stop = tokenizer->end_of_document();
  TextOut out(options.out);
  out.put(tokenizer->decode(prompt));
  models::generate(sampler, prompt, text, runner, [&](std::int64_t token) {
    out.put(tokenizer->decode({{token}}));
    return true;
  });
  out.end();
  return ExitCode::ok;
}

ExitCode run(const SampleOptions& options, const Invocation& invocation) {
  memory::install(*new memory::Ledger);  // outlives all tensors
  const train::LoadedModel loaded =
      train::load_model(options.checkpoint.path, invocation.registries, options.checkpoint.choice(),
                        options.checkpoint.overrides);
  const std::unique_ptr<core::UnitRunner> runner = invocation.make_runner(*loaded.model);
  if (auto* images = loaded.model->image_sampler()) return draw_images(options, loaded, *images, *runner);
  if (auto* texts = loaded.model->text_sampler()) return write_text(options, loaded, *texts, *runner);
  throw Error(ExitCode::usage, fmt::format("sample: a model of the family {} makes neither images nor text",
                                           loaded.config.model.family().name));
}

}  // namespace

void add_sample(CLI::App& app, Invocation& invocation) {
  auto* command = add_command(app, "sample");
  auto options = std::make_shared<SampleOptions>();
  options->checkpoint.add_to(*command);
  command->add_option("-o,--out", options->out,
                      "File to write: a PNG of images, or text. Without it text goes to standard output");
  command->add_option("--count", options->count, "Number of images")
      ->capture_default_str()
      ->check(CLI::Range(1, 65536));
  command->add_option("--seed", options->seed, "Seed of the samples")
      ->capture_default_str()
      ->check(not_negative());
  command->add_option("--prompt", options->prompt, "Text that the model continues");
  command->add_option("--tokens", options->text.tokens, "Text: the most tokens to generate")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  command
      ->add_option("--temperature", options->text.sampling.temperature,
                   "Text: temperature of the softmax; 0 always takes the most probable token")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 100.0));
  command
      ->add_option("--top-k", options->text.sampling.top_k,
                   "Text: draw from this many of the most probable tokens; 0: from all")
      ->capture_default_str()
      ->check(not_negative());
  command
      ->add_option("--top-p", options->text.sampling.top_p,
                   "Text: draw from the smallest set of tokens with this total probability")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->callback([options, &invocation] {
    invocation.run = [options, &invocation] { return run(*options, invocation); };
  });
}

}  // namespace ebb::cli
