// SPDX-License-Identifier: Apache-2.0
#include "data/tokenizer.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "base/utf8.h"
#include "data/byte_pairs.h"
#include "data/sentence_pieces.h"

namespace ebb::data {
namespace {

class Bytes final : public Tokenizer {
 public:
  [[nodiscard]] std::int64_t vocabulary() const override { return kByteVocabulary; }
  [[nodiscard]] std::optional<std::int64_t> end_of_document() const override { return kEndOfDocument; }
  [[nodiscard]] std::vector<std::int64_t> encode_whole(std::string_view text,
                                                       Place /*place*/) const override {
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
  [[nodiscard]] std::vector<std::int64_t> encode_whole(std::string_view text,
                                                       Place /*place*/) const override {
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
    return text.find_last_of(" \t\n\v\f\r") + 1;
  }
  [[nodiscard]] std::int64_t bytes(std::int64_t /*token*/) const override { return 0; }
};

}  // namespace

std::vector<std::int64_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int64_t> tokens;
  for (Place place; !text.empty();) {
    const std::size_t taken = encode_part(text, place, tokens);
    text.remove_prefix(taken);
    place.offset += static_cast<std::int64_t>(taken);
  }
  return tokens;
}

std::size_t Tokenizer::encode_part(std::string_view text, Place place,
                                   std::vector<std::int64_t>& tokens) const {
  const auto append = [&](const std::vector<std::int64_t>& more) {
    tokens.insert(tokens.end(), more.begin(), more.end());
  };
  if (text.size() <= kPartBytes) {
    if (!place.is_last) return 0;
    append(encode_whole(text, place));
    return text.size();
  }
  place.is_last = false;
  std::string_view part = text.substr(0, kPartBytes);
  if (const std::size_t stable = stable_prefix(part); stable > 0) {
    append(encode_whole(part.substr(0, stable), place));
    return stable;
  }
  part.remove_suffix(incomplete_bytes(part));
  std::vector<std::int64_t> found = encode_whole(part, place);
  const std::size_t kept = drop_overlap(part, found);
  append(found);
  return kept;
}

// The last tokens depend on the text that follows, so they are encoded again with it. Only if the dropped
// tokens are the end of the text to the byte is it known where the others end.
std::size_t Tokenizer::drop_overlap(std::string_view text, std::vector<std::int64_t>& tokens) const {
  const auto continues = [&](std::size_t at) {  // a character
    return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  std::size_t kept = text.size(), left = tokens.size();
  while (left > 0 && (text.size() - kept < kOverlap || continues(kept))) {
    const std::string bytes = decode({&tokens[--left], 1});
    if (bytes.size() >= kept || text.substr(kept - bytes.size(), bytes.size()) != bytes) return text.size();
    kept -= bytes.size();
  }
  if (left == 0) return text.size();
  tokens.resize(left);
  return kept;
}

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
