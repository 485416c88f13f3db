#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ebb::data {

// Tokens of the tokenizer `bytes`: a byte is its own number, and kEndOfDocument follows each document.
inline constexpr std::int32_t kEndOfDocument = 256;
inline constexpr std::int64_t kByteVocabulary = 257;

// Text to tokens and back. For one thread at a time.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  [[nodiscard]] virtual std::int64_t vocabulary() const = 0;  // ids are below it
  [[nodiscard]] virtual std::optional<std::int64_t> end_of_document() const = 0;
  // Names of special tokens within the text are text like any other.
  [[nodiscard]] virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;
  // The bytes of some tokens, which may end within a character; what is no token of this vocabulary, and
  // special tokens, are nothing.
  [[nodiscard]] virtual std::string decode(std::span<const std::int64_t> tokens) const = 0;
  // So many bytes from the beginning of a text have tokens that nothing behind them changes: a long text may
  // be cut there. 0: it may have to be taken as a whole.
  [[nodiscard]] virtual std::size_t settled(std::string_view text) const = 0;
};

inline constexpr std::string_view kTokenizerForms =
    "none, bytes, a sentencepiece model (a file that ends in .model), or byte pairs: a folder with "
    "tokenizer.json, or with vocab.json and merges.txt";

// `name` is one of kTokenizerForms. For `none`, text is numbers in decimal with spaces between them. A name
// that is none of these, a file that is not there: Error(usage). One that cannot be used as it is:
// Error(data), with what is wrong.
std::unique_ptr<Tokenizer> make_tokenizer(const std::string& name);

}  // namespace ebb::data
