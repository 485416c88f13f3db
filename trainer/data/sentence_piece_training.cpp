// SPDX-License-Identifier: Apache-2.0
#include "data/sentence_piece_training.h"

#include <fmt/format.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

// The library ends the process for a word of 32,768 characters, and computes no scores for much longer ones.
// No piece has more than 16 characters, so the parts of a word teach nearly the same pieces.
constexpr std::size_t kLongestWord = 1024;                       // bytes
constexpr std::size_t kLongestSentence = std::size_t{64} << 10;  // likewise

// The length of the first part of a line that the library may see: UTF-8 without long words.
std::size_t trainable_prefix(std::string_view line) {
  const bool is_all = line.size() <= kLongestSentence;
  line = line.substr(0, kLongestSentence);
  line = line.substr(0, find_not_utf8(line));
  std::size_t word = 0;  // its beginning
  for (;;) {
    const std::size_t end = std::min(line.find(' ', word), line.size());
    if (end - word > kLongestWord) {
      word += kLongestWord;
      return word - incomplete_bytes(line.substr(0, word));
    }
    if (end == line.size()) return is_all || word == 0 ? end : word;
    word = end + 1;
  }
}

// Parts of the lines (trainable_prefix), without bytes that are not UTF-8. The library must not see an
// exception, so the iterator keeps it for rethrow().
class Lines final : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(const TextInputs& inputs) : lines_(inputs) { Next(); }
  bool done() const override { return done_; }
  void Next() override {
    try {
      part_.clear();
      while (part_.empty()) {
        if (taken_ == line_.size()) {
          if (done_ = !lines_.next(line_); done_) return;
          taken_ = 0;
          if (line_.empty()) return;
        }
        const std::size_t length = trainable_prefix(std::string_view(line_).substr(taken_));
        part_ = line_.substr(taken_, length);
        taken_ += std::max<std::size_t>(length, 1);  // 0: a byte that is not UTF-8
      }
    } catch (...) {
      failure_ = std::current_exception();
      done_ = true;
    }
  }
  const std::string& value() const override { return part_; }
  sentencepiece::util::Status status() const override { return {}; }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }
  [[nodiscard]] std::int64_t skipped() const { return lines_.skipped(); }

 private:
  TextLines lines_;
  std::string line_, part_;
  std::size_t taken_ = 0;  // of line_
  bool done_ = false;
  std::exception_ptr failure_;
};

}  // namespace

std::int64_t train_tokenizer(const TrainTokenizerOptions& options) {
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
  const std::unordered_map<std::string, std::string> arguments = {
      {"model_type", options.byte_pairs ? "bpe" : "unigram"},
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
      {"minloglevel", "2"}};
  try {
    const auto status = sentencepiece::SentencePieceTrainer::Train(arguments, &lines, &model);
    lines.rethrow();
    if (!status.ok())
      throw Error(ExitCode::data, fmt::format("this text cannot fill a tokenizer of {} tokens: {}",
                                              options.vocabulary, status.ToString()));
  } catch (const std::bad_alloc&) {
    throw Error(ExitCode::memory,
                "the system refuses memory for the training of a tokenizer, which holds the "
                "text in memory: give it less text");
  }
  if (options.out.has_parent_path()) make_folders(options.out.parent_path());
  write_file_atomically(options.out, model);
  return lines.skipped();
}

}  // namespace ebb::data
