// SPDX-License-Identifier: Apache-2.0
#include "data/tokens/format.h"

#include <fmt/format.h>

#include <cstring>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "data/config.h"
#include "data/tokens/inspect.h"
#include "data/tokens/pack_text.h"
#include "data/tokens/token_file.h"
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

bool is_token_file(const fs::path& path) {
  if (path.extension() == ".bin" || path.extension() == ".idx") return true;
  std::int32_t magic = 0;
  try {
    const std::string head = read_head(path, sizeof magic, ExitCode::data);
    if (head.size() == sizeof magic) std::memcpy(&magic, head.data(), sizeof magic);
  } catch (const Error&) {
    return false;
  }
  return magic == kLlmcMagicU16 || magic == kLlmcMagicU32;
}

bool is_token_dataset(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return is_token_file(path);
  if (fs::is_regular_file(path / "train.bin", error)) return true;
  for (const fs::path& folder : {path, path / "train"})
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
      if (entry->path().extension() == ".bin" && entry->is_regular_file(error)) return true;
  return false;
}

std::string pack_documents(const PackRequest& request, const Formats&, const Progress& progress) {
  if (!request.labels.empty())
    throw Error(ExitCode::usage,
                "data pack: --labels is for images, and --tokenizer is for text: give one of them");
  if (request.size > 0 || request.crop || request.channels > 0)
    throw Error(
        ExitCode::usage,
        "data pack: --size, --crop and --channels are for pictures, and --tokenizer is for text: give one "
        "of them");
  PackTextOptions options;
  options.inputs = {request.inputs, request.key, request.skip_bad_lines};
  options.out = request.out;
  options.test_share = request.test_share;
  const auto tokenizer = make_tokenizer(request.tokenizer);
  const PackTextResult result = pack_text(options, *tokenizer, progress);
  const std::string test =
      result.test_tokens > 0 ? fmt::format(" (the last {} for the test)", result.test_tokens) : "";
  const std::string skipped = result.skipped_lines > 0
                                  ? fmt::format("\nskipped: {} bad line{} of JSON", result.skipped_lines,
                                                result.skipped_lines == 1 ? "" : "s")
                                  : "";
  const std::string not_utf8 =
      result.not_utf8 && request.tokenizer != "bytes"
          ? fmt::format(
                "\nnot UTF-8: byte 0x{:02x} at offset {} of document {} is the first; such bytes are kept",
                result.not_utf8->byte, result.not_utf8->offset, result.not_utf8->document)
          : "";
  return fmt::format("{}packed: {} tokens of {} document{}{}, vocabulary {}, in {}{}{}",
                     result.already_there ? "already " : "", result.tokens, result.documents,
                     result.documents == 1 ? "" : "s", test, tokenizer->vocabulary(), options.out.string(),
                     skipped, not_utf8);
}

Packer text_packer() {
  Packer packer;
  packer.output = "a token file of text";
  packer.input = "text files and JSON lines (.jsonl, .ndjson, .json), also as .gz or .zst";
  packer.option = "--tokenizer";
  packer.unit = "tokens";
  packer.accepts = [](const PackRequest& request) { return !request.tokenizer.empty(); };
  packer.pack = pack_documents;
  return packer;
}

}  // namespace

Format token_format() {
  Format format = windows_format(std::nullopt);
  format.name = "tokens";
  format.doc = "token files of llm.c or Megatron";
  format.texts.path = "a token file of llm.c or Megatron";
  format.recognizes = is_token_dataset;
  format.inspect = inspect_tokens;
  format.packer = text_packer();
  return format;
}

Format raw_u16_format() {
  Format format = windows_format(TokenFileFormat::raw_u16);
  format.name = "raw_u16";
  format.doc = "tokens of two bytes without any header (nanoGPT)";
  return format;
}

}  // namespace ebb::data
