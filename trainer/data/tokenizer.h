// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ebb::data {

// Tokens of the tokenizer `bytes`: a byte is its own id, and kEndOfDocument ends each document.
inline constexpr std::int32_t kEndOfDocument = 256;
inline constexpr std::int64_t kByteVocabulary = 257;

// Converts text to tokens and back. For one thread at a time.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  [[nodiscard]] virtual std::int64_t vocabulary() const = 0;  // ids are below it
  [[nodiscard]] virtual std::optional<std::int64_t> end_of_document() const = 0;
  // The name of a special token within the text is ordinary text.
  [[nodiscard]] virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;
  // The bytes of some tokens. They may end within a character. Special tokens, and ids outside of the
  // vocabulary, have no bytes.
  [[nodiscard]] virtual std::string decode(std::span<const std::int64_t> tokens) const = 0;
  // The bytes of text that a token stands for: the length of its decode(), but 0 for each token of `none`.
  // The lengths of the tokens of a text add up to its bytes. A tokenizer that encodes a space before each
  // text counts it, and text that it encodes as unknown has none.
  [[nodiscard]] virtual std::int64_t bytes(std::int64_t token) const {
    return std::ssize(decode({&token, 1}));
  }
  // Length in bytes of a prefix whose tokens do not depend on the rest of the text. A long text may be cut
  // there. 0: it may not be cut.
  [[nodiscard]] virtual std::size_t stable_prefix(std::string_view text) const = 0;
};

inline constexpr std::string_view kTokenizerForms =
    "none, bytes, a sentencepiece model (a file that ends in .model), or byte pairs: a folder with "
    "tokenizer.json, or with vocab.json and merges.txt";

// `name` is one of kTokenizerForms. For `none`, text is decimal numbers with spaces between them.
// Error(usage) for another name, or a file that does not exist. Error(data) names the fault of a file.
std::unique_ptr<Tokenizer> make_tokenizer(const std::string& name);

}  // namespace ebb::data
