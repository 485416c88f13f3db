// SPDX-License-Identifier: Apache-2.0
#include "data/tokens/token_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace ebb::data {

static_assert(std::endian::native == std::endian::little, "tokens are read in the byte order of the file");

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kHeaderBytes = 4 * kLlmcHeader;
constexpr std::int64_t kBlock = 1 << 16;  // entries of an index, or tokens, at a time
constexpr std::string_view kIndexMagic("MMIDIDX\0\0", 9);
constexpr std::int64_t kIndexHeaderBytes = 34;

// Fields are not aligned.
template <class T>
T field(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// "x.bin", given "x.bin" or "x.idx".
fs::path data_path(const fs::path& path) {
  return path.extension() == ".idx" ? fs::path(path).replace_extension(".bin") : path;
}

struct Width {
  std::int64_t bytes;
  bool is_signed;
};

// Of Megatron's dtype codes those that can hold token ids.
std::optional<Width> width_of(int code) {
  switch (code) {
    case 1:
      return Width{1, false};
    case 3:
      return Width{2, true};
    case 4:
      return Width{4, true};
    case 5:
      return Width{8, true};
    case 8:
      return Width{2, false};
    default:
      return std::nullopt;
  }
}

// An index of Megatron: the lengths of its sequences and their places in the data.
class Index {
 public:
  explicit Index(const fs::path& path) : path_(path), file_(path, ExitCode::data) {
    std::array<std::byte, kIndexHeaderBytes> header{};
    if (file_.size() < kIndexHeaderBytes)
      fail(0, fmt::format("it has {} bytes, fewer than its header of {}", file_.size(), kIndexHeaderBytes));
    file_.read_at(0, header);
    if (std::memcmp(header.data(), kIndexMagic.data(), kIndexMagic.size()) != 0)
      fail(0, "it does not begin with MMIDIDX: it is not an index of Megatron");
    if (const auto version = field<std::uint64_t>(&header[9]); version != 1)
      fail(9, fmt::format("its version is {}; only version 1 is supported", version));
    const int code = std::to_integer<int>(header[17]);
    const auto found = width_of(code);
    if (!found)
      fail(17, fmt::format("its dtype code is {}, which holds no token ids (1, 3, 4, 5 and 8 do)", code));
    width = *found;
    const auto sequences_there = field<std::uint64_t>(&header[18]),
               documents_there = field<std::uint64_t>(&header[26]);
    const auto most = static_cast<std::uint64_t>(file_.size());
    if (sequences_there > most || documents_there > most)
      fail(18, fmt::format("it gives {} sequences and {} documents, more than its {} bytes can hold",
                           sequences_there, documents_there, file_.size()));
    sequences = static_cast<std::int64_t>(sequences_there);
    documents = std::max<std::int64_t>(static_cast<std::int64_t>(documents_there) - 1, 0);
    const std::int64_t bytes =
        kIndexHeaderBytes + 12 * sequences + 8 * static_cast<std::int64_t>(documents_there);
    if (file_.size() != bytes && file_.size() != bytes + sequences)  // with a mode for each sequence
      fail(18, fmt::format("it has {} bytes, and {} sequences with {} document marks take {}", file_.size(),
                           sequences, documents_there, bytes));
  }

  // Tokens of all sequences, each of which begins where the one before ends.
  [[nodiscard]] std::int64_t check_places() const {
    std::vector<std::byte> lengths(4 * kBlock), places(8 * kBlock);
    std::int64_t tokens = 0;
    for (std::int64_t first = 0; first < sequences; first += kBlock) {
      const auto n = static_cast<std::size_t>(std::min(kBlock, sequences - first));
      const std::int64_t length_byte = kIndexHeaderBytes + 4 * first;
      const std::int64_t place_byte = kIndexHeaderBytes + 4 * sequences + 8 * first;
      file_.read_at(length_byte, std::span(lengths).first(4 * n));
      file_.read_at(place_byte, std::span(places).first(8 * n));
      for (std::size_t i = 0; i < n; ++i) {
        const auto length = field<std::int32_t>(&lengths[4 * i]);
        const auto place = field<std::int64_t>(&places[8 * i]);
        const auto at = static_cast<std::int64_t>(i);
        if (length < 0)
          fail(length_byte + 4 * at, fmt::format("sequence {} has a length of {}", first + at, length));
        if (place != tokens * width.bytes)
          fail(place_byte + 8 * at,
               fmt::format("sequence {} begins at byte {} of the data, and the one before ends at {}",
                           first + at, place, tokens * width.bytes));
        tokens += length;
      }
    }
    return tokens;
  }

  std::int64_t sequences = 0, documents = 0;
  Width width{};

 private:
  [[noreturn]] void fail(std::int64_t byte, const std::string& what) const {
    throw Error(ExitCode::data, fmt::format("{}, byte {}: {}", path_.string(), byte, what));
  }
  fs::path path_;
  ReadFile file_;
};

}  // namespace

std::string_view name(TokenFileFormat format) {
  switch (format) {
    case TokenFileFormat::llmc:
      return "llm.c";
    case TokenFileFormat::megatron:
      return "Megatron";
    case TokenFileFormat::raw_u16:
      return "u16 without a header";
  }
  return "";
}

TokenFile::TokenFile(const fs::path& path, std::optional<TokenFileFormat> format)
    : path_(data_path(path)), file_(path_, ExitCode::data) {
  const fs::path index = fs::path(path_).replace_extension(".idx");
  std::error_code ignored;
  if (!format)
    format = path_ != index && fs::exists(index, ignored) ? TokenFileFormat::megatron : TokenFileFormat::llmc;
  format_ = *format;
  if (format_ == TokenFileFormat::megatron) {
    open_megatron(index);
  } else if (format_ == TokenFileFormat::llmc) {
    open_llmc();
  } else {
    if (file_.size() % 2 != 0)
      fail(file_.size() - 1, "a file of u16 has an even number of bytes: it is truncated");
    std::array<std::byte, 4> magic{};
    if (file_.size() >= kHeaderBytes) file_.read_at(0, magic);
    if (field<std::int32_t>(magic.data()) == kLlmcMagicU16)
      fail(0, "it has a header of llm.c, which would be read as tokens: set data.format=tokens");
    size_ = file_.size() / 2;
  }
}

void TokenFile::open_llmc() {
  std::array<std::byte, kHeaderBytes> header{};
  if (file_.size() < kHeaderBytes)
    fail(
        0,
        fmt::format(
            "it has {} bytes, fewer than a header of llm.c ({}). Tokens without a header must be declared as "
            "such: data.format=raw_u16",
            file_.size(), kHeaderBytes));
  file_.read_at(0, header);
  const auto magic = field<std::int32_t>(&header[0]), version = field<std::int32_t>(&header[4]),
             count = field<std::int32_t>(&header[8]);
  const bool wide = magic == kLlmcMagicU32;
  if (magic != kLlmcMagicU16 && !wide)
    fail(0, fmt::format("it begins with {}; token files of llm.c begin with {} (u16) or {} (u32). Tokens "
                        "without a header must be declared as such: data.format=raw_u16",
                        magic, kLlmcMagicU16, kLlmcMagicU32));
  if (const int expected = wide ? kLlmcVersionU32 : kLlmcVersionU16; version != expected)
    fail(4,
         fmt::format("its version is {}; with this magic only version {} is supported", version, expected));
  token_bytes_ = wide ? 4 : 2;
  begin_ = kHeaderBytes;
  size_ = (file_.size() - begin_) / token_bytes_;
  // The count has 32 bits: for a larger file, the lower 32.
  if ((file_.size() - begin_) % token_bytes_ != 0 ||
      static_cast<std::uint32_t>(size_) != static_cast<std::uint32_t>(count))
    fail(8, fmt::format(
                "it counts {} tokens of {} bytes, but {} bytes follow its header: it is truncated or damaged",
                static_cast<std::uint32_t>(count), token_bytes_, file_.size() - begin_));
}

void TokenFile::open_megatron(const fs::path& path) {
  const Index index(path);
  token_bytes_ = index.width.bytes;
  is_signed_ = index.width.is_signed;
  documents_ = index.documents;
  size_ = index.check_places();
  if (file_.size() != size_ * token_bytes_)
    fail(0, fmt::format("it has {} bytes, but {} counts {} tokens of {} bytes: it is truncated or belongs "
                        "to another index",
                        file_.size(), path.string(), size_, token_bytes_));
}

std::int64_t TokenFile::value_at(const std::byte* token) const {
  switch (token_bytes_) {
    case 1:
      return std::to_integer<std::int64_t>(*token);
    case 2:
      return is_signed_ ? std::int64_t{field<std::int16_t>(token)}
                        : std::int64_t{field<std::uint16_t>(token)};
    case 4:
      return is_signed_ ? std::int64_t{field<std::int32_t>(token)}
                        : std::int64_t{field<std::uint32_t>(token)};
    default:
      return field<std::int64_t>(token);
  }
}

void TokenFile::read(std::int64_t first, std::span<std::int32_t> out, std::int64_t vocabulary) const {
  const std::int64_t count = std::ssize(out);
  if (first < 0 || first > size_ - count)
    throw Error(ExitCode::internal, fmt::format("{}: tokens [{}, {}) are out of range; it has {}",
                                                path_.string(), first, first + count, size_));
  std::array<std::byte, 8192> block;
  const std::int64_t at_once = std::ssize(block) / token_bytes_;
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t n = std::min(at_once, count - done);
    const std::int64_t byte = begin_ + (first + done) * token_bytes_;
    file_.read_at(byte, std::span(block).first(static_cast<std::size_t>(n * token_bytes_)));
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t id = value_at(block.data() + i * token_bytes_);
      if (id < 0 || id >= vocabulary)
        fail(byte + i * token_bytes_,
             fmt::format("token {} is {}, but ids are 0 to {}: the file was made with another "
                         "tokenizer, or is damaged",
                         first + done + i, id, vocabulary - 1));
      out[static_cast<std::size_t>(done + i)] = static_cast<std::int32_t>(id);
    }
    done += n;
  }
}

void TokenFile::fail(std::int64_t byte, const std::string& what) const {
  throw Error(ExitCode::data, fmt::format("{}, byte {}: {}", path_.string(), byte, what));
}

}  // namespace ebb::data
