// SPDX-License-Identifier: Apache-2.0
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
enum class TokenFileFormat { llmc, megatron, raw_u16 };
std::string_view name(TokenFileFormat format);

// The header of llm.c's files: kLlmcHeader int32. The first three are the magic, the version and the lower 32
// bits of the number of tokens; the rest are 0. Magic and version distinguish u16 and u32.
inline constexpr std::size_t kLlmcHeader = 256;
inline constexpr std::int32_t kLlmcMagicU16 = 20240520, kLlmcVersionU16 = 1;
inline constexpr std::int32_t kLlmcMagicU32 = 20240801, kLlmcVersionU32 = 7;

// A file of token ids. The constructor checks magic and version, the length against the count, and the
// position of every sequence of Megatron. Error(data) names the file, the byte, the actual and the expected
// value.
//
// The file is read at offsets, not mapped. Mapped pages would belong to the rank's resident set, which would
// grow with every read. Memory: a small block while a Megatron index is checked. Any thread may read.
class TokenFile {
 public:
  // Without `format`, the file is Megatron's if the path or a file beside it ends in .idx, else llm.c's. A
  // file without a header cannot be recognized: the caller must give its format.
  explicit TokenFile(const std::filesystem::path& path, std::optional<TokenFileFormat> format = std::nullopt);

  [[nodiscard]] TokenFileFormat format() const { return format_; }
  [[nodiscard]] std::int64_t size() const { return size_; }                // tokens
  [[nodiscard]] std::int64_t token_bytes() const { return token_bytes_; }  // of one, in the file
  [[nodiscard]] std::int64_t documents() const { return documents_; }      // 0 if the format has no count

  // Reads tokens [first, first + out.size()). Error(data), with file, byte and id, for a token that is not in
  // [0, vocabulary). Error(internal) for a range outside of the file.
  void read(std::int64_t first, std::span<std::int32_t> out, std::int64_t vocabulary = INT32_MAX) const;

 private:
  void open_llmc();
  void open_megatron(const std::filesystem::path& index);
  [[noreturn]] void fail(std::int64_t byte, const std::string& what) const;
  [[nodiscard]] std::int64_t value_at(const std::byte* token) const;

  std::filesystem::path path_;
  ReadFile file_;
  TokenFileFormat format_ = TokenFileFormat::raw_u16;
  std::int64_t begin_ = 0;  // byte of the first token
  std::int64_t size_ = 0, token_bytes_ = 2, documents_ = 0;
  bool is_signed_ = false;
};

}  // namespace ebb::data
