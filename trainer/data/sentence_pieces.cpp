// SPDX-License-Identifier: Apache-2.0
#include "data/sentence_pieces.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <charconv>
#include <exception>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file.h"
#include "data/text_source.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSpace = "\xe2\x96\x81";  // a space, as pieces write it

class SentencePieces final : public Tokenizer {
 public:
  explicit SentencePieces(const fs::path& model) {
    if (const auto status = processor_.LoadFromSerializedProto(read_file(model, ExitCode::data));
        !status.ok())
      throw Error(ExitCode::data,
                  fmt::format("{} is not a sentencepiece model: {}", model.string(), status.ToString()));
    may_cut_ = no_piece_crosses_a_space();
  }
  [[nodiscard]] std::int64_t vocabulary() const override { return processor_.GetPieceSize(); }
  [[nodiscard]] std::optional<std::int64_t> end_of_document() const override {
    const int id = processor_.eos_id();
    return id < 0 ? std::nullopt : std::optional<std::int64_t>(id);
  }
  [[nodiscard]] std::vector<std::int64_t> encode(std::string_view text) const override {
    std::vector<int> ids;
    if (const auto status = processor_.Encode({text.data(), text.size()}, &ids); !status.ok())
      throw Error(ExitCode::data,
                  fmt::format("sentencepiece cannot encode this text: {}", status.ToString()));
    return {ids.begin(), ids.end()};
  }
  // Piece by piece, since the library would remove a space at the beginning of a text.
  [[nodiscard]] std::string decode(std::span<const std::int64_t> tokens) const override {
    std::string text;
    for (const std::int64_t token : tokens) {
      const int id = token >= 0 && token < vocabulary() ? static_cast<int>(token) : -1;
      if (id < 0 || processor_.IsControl(id) || processor_.IsUnknown(id)) continue;
      const std::string& piece = processor_.IdToPiece(id);
      if (processor_.IsByte(id)) {  // <0x0A>
        unsigned byte = 0;
        std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
        text += static_cast<char>(byte);
        continue;
      }
      std::size_t at = text.size();
      text += piece;
      while ((at = text.find(kSpace, at)) != std::string::npos) text.replace(at, kSpace.size(), " ");
    }
    return text;
  }

  // Ends before the last space that follows another character: pieces begin with spaces, and no piece crosses
  // one. A model that adds a space before each text, or has other pieces, allows no cut.
  [[nodiscard]] std::size_t stable_prefix(std::string_view text) const override {
    if (!may_cut_) return 0;
    for (std::size_t i = text.size(); i-- > 1;)
      if (text[i] == ' ' && text[i - 1] != ' ') return i;
    return 0;
  }

 private:
  [[nodiscard]] bool no_piece_crosses_a_space() const {
    std::vector<std::string> first;
    if (!processor_.Encode("x", &first).ok() || first.empty() || first.front().starts_with(kSpace))
      return false;
    for (int id = 0; id < processor_.GetPieceSize(); ++id) {
      std::string_view piece = processor_.IdToPiece(id);
      while (piece.starts_with(kSpace)) piece.remove_prefix(kSpace.size());
      if (piece.find(kSpace) != std::string_view::npos) return false;
    }
    const std::string spaces = "x  x ";
    return decode(encode(spaces)) == spaces;
  }

  sentencepiece::SentencePieceProcessor processor_;
  bool may_cut_ = false;
};

// The library must not see an exception, so the iterator keeps it for rethrow().
class Lines final : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(const TextInputs& inputs) : lines_(inputs) { Next(); }
  bool done() const override { return done_; }
  void Next() override {
    try {
      done_ = !lines_.next(line_);
    } catch (...) {
      failure_ = std::current_exception();
      done_ = true;
    }
  }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  TextLines lines_;
  std::string line_;
  bool done_ = false;
  std::exception_ptr failure_;
};

}  // namespace

std::unique_ptr<Tokenizer> open_sentence_pieces(const fs::path& model) {
  return std::make_unique<SentencePieces>(model);
}

void train_tokenizer(const TrainTokenizerOptions& options) {
  constexpr int kMostLines = 10'000'000, kLongestLine = 1 << 30;
  if (options.out.extension() != ".model")
    throw Error(ExitCode::usage,
                fmt::format("{} must end in .model, the extension of sentencepiece tokenizers",
                            options.out.string()));
  if (fs::exists(options.out))
    throw Error(ExitCode::usage,
                fmt::format("{} exists; give another --out, or remove it", options.out.string()));
  Lines lines(options.inputs);
  lines.rethrow();
  if (lines.done()) throw Error(ExitCode::data, "the inputs hold no line of text");
  std::string model;
  // No text is lost: no normalisation, every space kept, and bytes for text without a piece. The library's
  // log is off; it returns errors as the status.
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      {{"model_type", options.byte_pairs ? "bpe" : "unigram"},
       {"vocab_size", std::to_string(options.vocabulary)},
       {"normalization_rule_name", "identity"},
       {"remove_extra_whitespaces", "false"},
       {"add_dummy_prefix", "false"},
       {"byte_fallback", "true"},
       {"split_digits", "true"},
       {"character_coverage", "0.9995"},
       {"input_sentence_size", std::to_string(kMostLines)},
       {"shuffle_input_sentence", "true"},
       {"max_sentence_length", std::to_string(kLongestLine)},  // the library silently drops longer ones
       {"num_threads", "1"},  // so that the same text gives the same tokenizer
       {"minloglevel", "2"}},
      &lines, &model);
  lines.rethrow();
  if (!status.ok())
    throw Error(ExitCode::data, fmt::format("this text cannot fill a tokenizer of {} tokens: {}",
                                            options.vocabulary, status.ToString()));
  if (options.out.has_parent_path()) make_folders(options.out.parent_path());
  write_file_atomically(options.out, model);
}

}  // namespace ebb::data
