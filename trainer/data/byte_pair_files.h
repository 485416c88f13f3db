#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

// What the files of a byte-pair tokenizer say; see byte_pairs.h for what is taken and what is refused.
namespace ebb::data {

constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct BytePairFiles {
  std::filesystem::path from;
  std::unordered_map<std::string, std::int64_t> vocabulary;  // as written, special tokens not among them
  std::vector<std::pair<std::string, std::string>> merges;   // the first come first
  std::unordered_map<std::string, std::int64_t> special;
  std::string words = std::string(kGpt2Words);  // the regular expression of a word
  bool space_first = false;                     // before the first word
  bool whole_words = false;                     // that are tokens themselves, whatever the merges
};
BytePairFiles read_tokenizer_json(const std::filesystem::path& path);
BytePairFiles read_vocabulary_and_merges(const std::filesystem::path& vocab_json,
                                         const std::filesystem::path& merges_txt);

// How the files write each byte: as a character that can be seen, those that are printable in Latin-1 as
// themselves, the others as U+0100 and on, in their order.
std::array<std::string, 256> visible_bytes();
// The bytes of a token; what is no such character stays as it is.
std::string bytes_of_token(std::string_view token);

// Error(data) that begins with the file's name.
[[noreturn]] void refuse_tokenizer(const std::filesystem::path& path, const std::string& what);

}  // namespace ebb::data
