// SPDX-License-Identifier: Apache-2.0
#include "data/idx.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <system_error>

#include "base/error.h"

namespace ebb::data {
namespace {

constexpr unsigned kReadAhead = 1U << 18;
constexpr int kUnsignedByte = 8;
constexpr std::int64_t kLargestItem = std::int64_t{1} << 31;
constexpr std::int64_t kMostDeflateRatio = 1032;  // 258 bytes in 2 bits (RFC 1951, 3.2.5)

}  // namespace

struct IdxReader::File {
  gzFile gz;
  explicit File(gzFile file) : gz(file) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { gzclose_r(gz); }
};

IdxReader::IdxReader(const std::filesystem::path& path) : path_(path) {
  if (std::filesystem::is_directory(path)) {
    throw Error(ExitCode::data, fmt::format("{} is a folder, not an IDX file", path.string()));
  }
  errno = 0;
  gzFile gz = gzopen(path.c_str(), "rb");
  if (gz == nullptr) {
    const int error = errno != 0 ? errno : ENOMEM;
    throw Error(ExitCode::data,
                fmt::format("cannot open {}: {}", path.string(), std::generic_category().message(error)));
  }
  file_ = std::make_unique<File>(gz);
  gzbuffer(gz, kReadAhead);

  std::array<std::byte, 4> word{};
  const auto byte = [&word](int i) { return std::to_integer<int>(word[static_cast<std::size_t>(i)]); };
  fill(word, "the header");
  if (byte(0) != 0 || byte(1) != 0) {
    throw Error(ExitCode::data,
                fmt::format("{} is not an IDX file: it begins with {:02x} {:02x} {:02x} {:02x}, an "
                            "IDX file with 00 00 08 and its number of dimensions",
                            path.string(), byte(0), byte(1), byte(2), byte(3)));
  }
  if (byte(2) != kUnsignedByte) {
    throw Error(ExitCode::data, fmt::format("{}: byte 2 gives the value type 0x{:02x}; only unsigned bytes "
                                            "(0x08) can be packed",
                                            path.string(), byte(2)));
  }
  const int ndim = byte(3);
  if (ndim < 1 || ndim > 8) {
    throw Error(ExitCode::data,
                fmt::format("{}: byte 3 gives {} dimensions; allowed are 1 to 8", path.string(), ndim));
  }
  for (int d = 0; d < ndim; ++d) {
    fill(word, "the header");
    const std::int64_t size = std::int64_t{byte(0)} << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
    if (size == 0 || (d > 0 && size > kLargestItem / item_bytes_)) {
      throw Error(ExitCode::data, fmt::format("{}: dimension {} at byte {} is {}, which is invalid",
                                              path.string(), d, offset_ - 4, size));
    }
    dims_.push_back(size);
    if (d > 0) item_bytes_ *= size;
  }
  check_size();
}

IdxReader::~IdxReader() = default;

// Before anyone takes memory for an item. Nothing overflows: items are below 2^32, their bytes at most 2^31.
void IdxReader::check_size() const {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_, error);
  if (error)
    throw Error(ExitCode::data,
                fmt::format("cannot read the size of {}: {}", path_.string(), error.message()));
  const bool plain = gzdirect(file_->gz) == 1;
  const std::int64_t needed = offset_ + items() * item_bytes_;
  const auto file_bytes = static_cast<std::int64_t>(size);
  if ((plain ? needed : (needed - 1) / kMostDeflateRatio + 1) <= file_bytes) return;
  throw Error(
      ExitCode::data,
      fmt::format("{} ends too early or is damaged: its header gives {} items of {} bytes, and {} bytes{} "
                  "cannot hold the {}; fetch the file again",
                  path_.string(), items(), item_bytes_, file_bytes, plain ? "" : " of gzip", needed));
}

void IdxReader::fill(std::span<std::byte> out, const char* what) {
  while (!out.empty()) {
    const auto ask = static_cast<unsigned>(std::min<std::size_t>(out.size(), 1U << 30));
    const int n = gzread(file_->gz, out.data(), ask);
    if (n <= 0) {
      int code = Z_OK;
      const char* text = gzerror(file_->gz, &code);
      // zlib names the file in its text already.
      const std::string reason = code == Z_OK || code == Z_BUF_ERROR ? "the file ends" : text;
      throw Error(
          ExitCode::data,
          fmt::format("{} ends too early or is damaged: {} at unpacked byte {}, in {}, where {} more bytes "
                      "were expected; fetch the file again",
                      path_.string(), reason, offset_, what, out.size()));
    }
    offset_ += n;
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

void IdxReader::read(std::span<std::byte> item) {
  fill(item, "its values");
}

void IdxReader::finish() {
  std::byte extra{};
  const int n = gzread(file_->gz, &extra, 1);
  if (n > 0) {
    throw Error(ExitCode::data,
                fmt::format("{}: bytes follow the last of {} items at unpacked byte {}; the header "
                            "does not fit the file",
                            path_.string(), items(), offset_));
  }
  int code = Z_OK;
  const char* text = gzerror(file_->gz, &code);
  if (n < 0 || (code != Z_OK && code != Z_STREAM_END)) {
    throw Error(ExitCode::data, fmt::format("{} is damaged: {}; fetch the file again", path_.string(),
                                            code == Z_BUF_ERROR ? std::string("its gzip checksum is missing")
                                                                : std::string(text)));
  }
}

}  // namespace ebb::data
