#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/config.h"

namespace ebb::data {

// Tokens of the tokenizer `bytes`: a byte is its own number, and kEndOfDocument follows each document.
inline constexpr std::int32_t kEndOfDocument = 256;
inline constexpr std::int64_t kByteVocabulary = 257;

// Text to tokens and back.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  [[nodiscard]] virtual std::int64_t vocabulary() const = 0;
  [[nodiscard]] virtual std::optional<std::int64_t> end_of_document() const = 0;
  [[nodiscard]] virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;
  // The bytes of some tokens, which may end within a character; what is no token of this vocabulary is
  // nothing.
  [[nodiscard]] virtual std::string decode(std::span<const std::int64_t> tokens) const = 0;
};

// For `none`, text is numbers in decimal with spaces between them.
std::unique_ptr<Tokenizer> make_tokenizer(TokenizerKind kind);

}  // namespace ebb::data
