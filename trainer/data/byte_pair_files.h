// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

// The contents of a byte-pair tokenizer's files. byte_pairs.h lists what is accepted and what is refused.
namespace ebb::data {

// The regular expression of GPT-2, whose own files do not hold it.
constexpr std::string_view kDefaultWords =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct BytePairFiles {
  std::filesystem::path from;
  std::unordered_map<std::string, std::int64_t> vocabulary;  // as written, without special tokens
  std::vector<std::pair<std::string, std::string>> merges;   // by rank, from 0
  std::unordered_map<std::string, std::int64_t> special;
  std::string words = std::string(kDefaultWords);  // the regular expression of a word
  bool space_first = false;                        // add a space before the first word
  bool whole_words = false;                        // a word in the vocabulary is one token, without merges
};
BytePairFiles read_tokenizer_json(const std::filesystem::path& path);
BytePairFiles read_vocabulary_and_merges(const std::filesystem::path& vocab_json,
                                         const std::filesystem::path& merges_txt);

// The visible character that the files write for each byte. Bytes that are printable in Latin-1 are written
// as themselves. All other bytes, in their order, are written as U+0100 and following.
std::array<std::string, 256> visible_bytes();
// The bytes of a token. Other characters stay as they are.
std::string bytes_of_token(std::string_view token);

// Throws Error(data); its text begins with the file's name.
[[noreturn]] void refuse_tokenizer(const std::filesystem::path& path, const std::string& what);

}  // namespace ebb::data
