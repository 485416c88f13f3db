#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "base/file.h"

namespace ebb::data {

// llmc: a header of 256 int32 (magic, version, count), then u16 or u32. megatron: x.bin with x.idx beside it.
// raw_u16: no header at all (nanoGPT). All little-endian.
enum class TokenFormat { llmc, megatron, raw_u16 };
std::string_view name(TokenFormat format);

// The header of llm.c's files: kLlmcHeader int32, of which the first three are magic and version, which tell
// u16 and u32 apart, and the lower 32 bits of the number of tokens, the others 0.
inline constexpr std::size_t kLlmcHeader = 256;
inline constexpr std::int32_t kLlmcMagicU16 = 20240520, kLlmcVersionU16 = 1;
inline constexpr std::int32_t kLlmcMagicU32 = 20240801, kLlmcVersionU32 = 7;

// A file of token ids. Opening checks what the file says of itself: magic and version, lengths that are
// exactly those of its count, for Megatron every sequence's place. Error(data) names file, byte, what is
// there and what was expected.
//
// Read at offsets, not mapped: pages of a mapping count as the rank's resident set, which would grow with all
// that has been read. Memory: none beyond a small block while a Megatron index is checked. Any thread.
class TokenFile {
 public:
  // Without `format`: Megatron where the path or a file beside it ends in .idx, llm.c where the magic says
  // so. A file without a header has nothing to be known by: it has to be asked for.
  explicit TokenFile(const std::filesystem::path& path, std::optional<TokenFormat> format = std::nullopt);

  [[nodiscard]] TokenFormat format() const { return format_; }
  [[nodiscard]] std::int64_t size() const { return size_; }                // tokens
  [[nodiscard]] std::int64_t token_bytes() const { return token_bytes_; }  // of one, in the file
  [[nodiscard]] std::int64_t documents() const { return documents_; }      // 0 where the format does not tell

  // Tokens [first, first + out.size()). Error(data) with file, byte and id where one is no int32, or not
  // below `vocabulary`; Error(internal) for a range outside of the file.
  void read(std::int64_t first, std::span<std::int32_t> out, std::int64_t vocabulary = INT32_MAX) const;

 private:
  void open_llmc();
  void open_megatron(const std::filesystem::path& index);
  [[noreturn]] void fail(std::int64_t byte, const std::string& what) const;
  [[nodiscard]] std::int64_t value_at(const std::byte* token) const;

  std::filesystem::path path_;
  ReadFile file_;
  TokenFormat format_ = TokenFormat::raw_u16;
  std::int64_t begin_ = 0;  // byte of the first token
  std::int64_t size_ = 0, token_bytes_ = 2, documents_ = 0;
  bool is_signed_ = false;
};

}  // namespace ebb::data
