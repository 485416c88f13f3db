// SPDX-License-Identifier: Apache-2.0
#include "data/tokenizer.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "data/byte_pairs.h"
#include "data/sentence_pieces.h"

namespace ebb::data {
namespace {

class Bytes final : public Tokenizer {
 public:
  [[nodiscard]] std::int64_t vocabulary() const override { return kByteVocabulary; }
  [[nodiscard]] std::optional<std::int64_t> end_of_document() const override { return kEndOfDocument; }
  [[nodiscard]] std::vector<std::int64_t> encode(std::string_view text) const override {
    std::vector<std::int64_t> tokens;
    tokens.reserve(text.size());
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }
  [[nodiscard]] std::string decode(std::span<const std::int64_t> tokens) const override {
    std::string text;
    for (const std::int64_t token : tokens)
      if (token >= 0 && token < 256) text += static_cast<char>(token);
    return text;
  }
  [[nodiscard]] std::size_t stable_prefix(std::string_view text) const override { return text.size(); }
};

class Numbers final : public Tokenizer {
 public:
  [[nodiscard]] std::int64_t vocabulary() const override { return std::numeric_limits<std::int64_t>::max(); }
  [[nodiscard]] std::optional<std::int64_t> end_of_document() const override { return std::nullopt; }
  [[nodiscard]] std::vector<std::int64_t> encode(std::string_view text) const override {
    std::istringstream words{std::string(text)};
    std::vector<std::int64_t> tokens;
    for (std::string word; words >> word;) {
      std::int64_t token = 0;
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), token);
      if (error != std::errc() || end != word.data() + word.size())
        throw Error(
            ExitCode::usage,
            fmt::format("\"{}\" is not a number. With data.tokenizer=none tokens are numbers: write them "
                        "with spaces between them, such as \"1 17 4\"",
                        word));
      tokens.push_back(token);
    }
    return tokens;
  }
  [[nodiscard]] std::string decode(std::span<const std::int64_t> tokens) const override {
    std::string text;
    for (const std::int64_t token : tokens) text += fmt::format("{} ", token);
    return text;
  }
  [[nodiscard]] std::size_t stable_prefix(std::string_view text) const override {
    return text.rfind(' ') + 1;
  }
  [[nodiscard]] std::int64_t bytes(std::int64_t /*token*/) const override { return 0; }
};

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer(const std::string& name) {
  namespace fs = std::filesystem;
  if (name == "bytes") return std::make_unique<Bytes>();
  if (name == "none") return std::make_unique<Numbers>();
  const fs::path path = name;
  std::error_code ignored;
  if (path.extension() == ".model" && fs::is_regular_file(path, ignored)) return open_sentence_pieces(path);
  if (fs::is_regular_file(path / "tokenizer.json", ignored)) return open_byte_pairs(path / "tokenizer.json");
  if (fs::is_regular_file(path / "vocab.json", ignored) && fs::is_regular_file(path / "merges.txt", ignored))
    return open_byte_pairs(path / "vocab.json", path / "merges.txt");
  throw Error(ExitCode::usage, fmt::format("{} is not a tokenizer: choose {}", name, kTokenizerForms));
}

}  // namespace ebb::data
