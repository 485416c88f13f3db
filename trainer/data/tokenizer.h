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
  // The name of a special token within the text is ordinary text. A text is encoded in the parts of
  // encode_part(). Error(data) with the offset of a byte that is not UTF-8, if no token stands for it.
  [[nodiscard]] std::vector<std::int64_t> encode(std::string_view text) const;

  // Where a part lies in its text.
  struct Place {
    std::int64_t offset = 0;  // bytes of the text before it
    bool is_last = true;
    [[nodiscard]] bool is_first() const { return offset == 0; }
  };
  // Encodes the next part of a text that arrives in chunks: at most kPartBytes from the beginning of `text`.
  // Appends its tokens, and returns its length in bytes. place.is_last: the text ends where `text` does. If
  // not, and `text` has at most kPartBytes, it returns 0: there must be more. The parts do not depend on the
  // chunks, since only the first kPartBytes decide where a part ends.
  //
  // A part ends at stable_prefix(). Where there is none, as in a word longer than a part, it ends between two
  // tokens, at least kOverlap bytes before the end of kPartBytes. There the tokens may differ from those of
  // the whole text, but decoded they are the same text.
  [[nodiscard]] std::size_t encode_part(std::string_view text, Place place,
                                        std::vector<std::int64_t>& tokens) const;
  // Encoding takes up to 300 bytes of memory per byte, so parts bound it to 80 MB.
  static constexpr std::size_t kPartBytes = std::size_t{256} << 10;
  static constexpr std::size_t kOverlap = 1024;

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
  // there. 0: there is no such place.
  [[nodiscard]] virtual std::size_t stable_prefix(std::string_view text) const = 0;

 private:
  // Encodes all of `text`, which lies at `place`, at once.
  [[nodiscard]] virtual std::vector<std::int64_t> encode_whole(std::string_view text, Place place) const = 0;
  // Takes tokens from the end of `tokens`, which are those of `text`. Returns the length of what remains.
  [[nodiscard]] std::size_t drop_overlap(std::string_view text, std::vector<std::int64_t>& tokens) const;
};

inline constexpr std::string_view kTokenizerForms =
    "none, bytes, a sentencepiece model (a file that ends in .model), or byte pairs: a folder with "
    "tokenizer.json, or with vocab.json and merges.txt";

// `name` is one of kTokenizerForms. For `none`, text is decimal numbers with spaces between them.
// Error(usage) for another name, or a file that does not exist. Error(data) names the fault of a file.
std::unique_ptr<Tokenizer> make_tokenizer(const std::string& name);

}  // namespace ebb::data
