// SPDX-License-Identifier: Apache-2.0
#include "data/tokens/format.h"

#include <fmt/format.h>

#include "data/config.h"
#include "data/tokens/inspect.h"
#include "data/tokens/windows.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

void describe_token_keys(config::Section& section, DataConfig& config) {
  section.integer("context", config.context)
      .at_least(1)
      .at_most(1 << 24)
      .unit("tokens")
      .doc("Tokens of a window, the sample that a model of text is trained on.");
  section.text("tokenizer", config.tokenizer)
      .doc(
          "The tokenizer of the data, which shows samples as text: the value of `ebb data pack "
          "--tokenizer`. bytes, a sentencepiece model FILE.model, or a folder with tokenizer.json or with "
          "vocab.json and merges.txt. none: tokens are shown as numbers.")
      .free_to_change();
}

Format windows_format(std::optional<TokenFileFormat> file_format) {
  Format format;
  format.fields = {std::string(core::kTokensField)};
  format.texts.source = "train.bin and test.bin, or subfolders train and test of such files";
  format.describe_keys = describe_token_keys;
  format.sample_noun = [](const DataConfig& config) {
    return fmt::format("windows of {} tokens", config.context);
  };
  format.spec = [](const DataConfig& config) {
    return core::SampleSpec{{core::tokens_field(config.context)}};
  };
  format.open = [file_format](const DataConfig& config, const SplitRequest& request) {
    return open_windows(fs::path(config.source) / request.split,
                        {config.context, request.vocabulary, file_format});
  };
  return format;
}

}  // namespace

Format token_format() {
  Format format = windows_format(std::nullopt);
  format.name = "tokens";
  format.doc = "token files of llm.c or Megatron";
  format.texts.path = "a token file of llm.c or Megatron";
  format.texts.pack_output = "a token file of text";
  format.texts.pack_input = "text files and JSON lines (.jsonl, key \"text\")";
  format.texts.pack_option = "--tokenizer";
  format.recognizes = [](const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
  };
  format.inspect = inspect_tokens;
  return format;
}

Format raw_u16_format() {
  Format format = windows_format(TokenFileFormat::raw_u16);
  format.name = "raw_u16";
  format.doc = "tokens of two bytes without any header (nanoGPT)";
  return format;
}

}  // namespace ebb::data
