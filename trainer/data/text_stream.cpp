// SPDX-License-Identifier: Apache-2.0
#include "data/text_stream.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "data/text_encoding.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;
using std::string_view_literals::operator""sv;

constexpr std::size_t kHead = 64 << 10;
constexpr std::size_t kBlock = 1 << 20;
constexpr std::size_t kLongestLine = std::size_t{256} << 20;

[[noreturn]] void refuse(const fs::path& path, const std::string& why) {
  throw Error(ExitCode::data, fmt::format("{}: {}", path.string(), why));
}

class FileSource final : public ByteSource {
 public:
  explicit FileSource(const fs::path& path) : file_(path, ExitCode::data) {}
  std::size_t read(std::span<char> out) override {
    const auto n = std::min(out.size(), static_cast<std::size_t>(file_.size() - at_));
    if (n > 0) file_.read_at(at_, std::as_writable_bytes(out.first(n)));
    at_ += static_cast<std::int64_t>(n);
    return n;
  }

 private:
  ReadFile file_;
  std::int64_t at_ = 0;
};

class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(const fs::path& path) : path_(path), file_(gzopen(path.c_str(), "rb"), &gzclose) {
    if (!file_) refuse(path, "it cannot be opened");
    gzbuffer(file_.get(), 1 << 17);
  }
  std::size_t read(std::span<char> out) override {
    const int n = gzread(file_.get(), out.data(), static_cast<unsigned>(std::min(out.size(), kBlock)));
    int code = Z_OK;
    const char* const why = gzerror(file_.get(), &code);
    if (n < 0 || code == Z_BUF_ERROR)
      refuse(path_, fmt::format("this gzip file is damaged or truncated ({})", why));
    return static_cast<std::size_t>(n);
  }

 private:
  fs::path path_;
  std::unique_ptr<gzFile_s, decltype(&gzclose)> file_;
};

class ZstdSource final : public ByteSource {
 public:
  explicit ZstdSource(const fs::path& path)
      : path_(path), file_(path), context_(ZSTD_createDCtx(), &ZSTD_freeDCtx), packed_(ZSTD_DStreamInSize()) {
    if (!context_) throw Error(ExitCode::memory, "no memory is left to unpack " + path.string());
  }
  std::size_t read(std::span<char> out) override {
    ZSTD_outBuffer sink{out.data(), out.size(), 0};
    while (sink.pos == 0) {
      if (input_.pos == input_.size) {
        input_ = {packed_.data(), file_.read(packed_), 0};
        if (input_.size == 0) {
          if (wants_ != 0) refuse(path_, "this Zstandard file ends within a frame: it is truncated");
          return 0;
        }
      }
      wants_ = ZSTD_decompressStream(context_.get(), &sink, &input_);
      if (ZSTD_isError(wants_) != 0)
        refuse(path_, fmt::format("this Zstandard file is damaged ({})", ZSTD_getErrorName(wants_)));
    }
    return sink.pos;
  }

 private:
  fs::path path_;
  FileSource file_;
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
  std::vector<char> packed_;
  ZSTD_inBuffer input_{nullptr, 0, 0};
  std::size_t wants_ = 0;  // 0: at the end of a frame
};

// UTF-16 as UTF-8. `head`: bytes before those of the source, without the byte order mark.
class Utf16Source final : public ByteSource {
 public:
  Utf16Source(const fs::path& path, std::unique_ptr<ByteSource> source, std::string head, bool big_endian)
      : path_(path), source_(std::move(source)), decoder_(big_endian) {
    decode(head);
  }
  std::size_t read(std::span<char> out) override {
    std::string packed(kHead, '\0');
    while (taken_ == text_.size()) {
      text_.clear();
      taken_ = 0;
      const std::size_t n = source_->read(packed);
      if (n == 0) {
        if (!decoder_.is_at_end()) refuse(path_, "this UTF-16 text ends within a character");
        return 0;
      }
      decode(std::string_view(packed).substr(0, n));
    }
    const std::size_t n = std::min(out.size(), text_.size() - taken_);
    std::copy_n(text_.data() + taken_, n, out.data());
    taken_ += n;
    return n;
  }

 private:
  void decode(std::string_view bytes) {
    if (!decoder_.decode(bytes, text_)) refuse(path_, "this UTF-16 text has half of a surrogate pair");
  }

  fs::path path_;
  std::unique_ptr<ByteSource> source_;
  Utf16Decoder decoder_;
  std::string text_;
  std::size_t taken_ = 0;
};

// Reads until `out` is full or the source has no more.
std::string read_head(ByteSource& source) {
  std::string head(kHead, '\0');
  std::size_t filled = 0;
  while (filled < head.size()) {
    const std::size_t n = source.read(std::span(head).subspan(filled));
    if (n == 0) break;
    filled += n;
  }
  head.resize(filled);
  return head;
}

std::unique_ptr<ByteSource> unpacked(const fs::path& path) {
  auto file = std::make_unique<FileSource>(path);
  std::array<char, 4> magic{};
  const std::size_t n = file->read(magic);
  const std::string_view begin(magic.data(), n);
  if (n == 0) refuse(path, "it is empty");
  if (begin.starts_with("\x1f\x8b"sv)) return std::make_unique<GzipSource>(path);
  if (begin == "\x28\xb5\x2f\xfd"sv) return std::make_unique<ZstdSource>(path);
  return std::make_unique<FileSource>(path);
}

}  // namespace

TextStream::TextStream(const fs::path& path) : source_(unpacked(path)), head_(read_head(*source_)) {
  if (head_.empty()) refuse(path, "it is empty");
  if (head_.starts_with("\xef\xbb\xbf"sv)) {
    taken_ = 3;
  } else if (const bool big = head_.starts_with("\xfe\xff"sv);
             big || (head_.starts_with("\xff\xfe"sv) && !head_.starts_with("\xff\xfe\0\0"sv))) {
    source_ = std::make_unique<Utf16Source>(path, std::move(source_), head_.substr(2), big);
    head_ = read_head(*source_);
  }
  if (const std::string kind = kind_of_no_text(head_); !kind.empty())
    refuse(path, "this is not text but " + kind);
}

std::size_t TextStream::read(std::span<char> out) {
  if (taken_ == head_.size()) return source_->read(out);
  const std::size_t n = std::min(out.size(), head_.size() - taken_);
  std::copy_n(head_.data() + taken_, n, out.data());
  taken_ += n;
  return n;
}

bool LineStream::next(std::string& line) {
  line.clear();
  for (bool any = false;; any = true) {
    if (taken_ == block_.size()) {
      block_.resize(kBlock);
      block_.resize(text_.read(block_));
      taken_ = 0;
      if (block_.empty()) {
        if (!any) return false;
        break;
      }
    }
    const std::size_t end = block_.find('\n', taken_);
    line.append(block_, taken_, end - taken_);
    taken_ = end == std::string::npos ? block_.size() : end + 1;
    if (line.size() > kLongestLine)
      refuse(path_,
             fmt::format("line {} has more than {}", number_ + 1, format_bytes(std::int64_t{kLongestLine})));
    if (end != std::string::npos) break;
  }
  ++number_;
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

}  // namespace ebb::data
