// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "data/zip/bytes.h"
#include "data/zip/zip_file.h"

namespace ebb::data {
namespace {

constexpr std::int64_t kZipBlock = std::int64_t{64} << 10;

// Raw deflate, without a header.
class Inflater {
 public:
  Inflater() {
    if (inflateInit2(&stream_, -MAX_WBITS) != Z_OK)
      throw Error(ExitCode::memory,
                  "cannot unpack a zip archive: zlib has no memory for its window of 32 KiB");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  void give(std::span<const std::byte> packed) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
  }
  [[nodiscard]] std::int64_t unread() const { return stream_.avail_in; }
  // Returns the bytes that it wrote into `out`.
  std::size_t unpack(std::span<std::byte> out) {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    result_ = inflate(&stream_, Z_NO_FLUSH);
    return out.size() - stream_.avail_out;
  }
  [[nodiscard]] bool ended() const { return result_ == Z_STREAM_END; }
  [[nodiscard]] bool is_damaged() const {
    return result_ != Z_OK && result_ != Z_STREAM_END && result_ != Z_BUF_ERROR;
  }
  [[nodiscard]] std::string reason() const { return stream_.msg == nullptr ? "invalid data" : stream_.msg; }

 private:
  z_stream stream_{};
  int result_ = Z_OK;
};

}  // namespace

std::int64_t ZipFile::contents_of(const ZipEntry& entry) const {
  std::array<std::byte, zip::kLocalBytes> header{};
  file_.read_at(entry.header, header);
  if (zip::number<std::uint32_t>(header, 0) != zip::kLocalHeader)
    fail(name_of(entry),
         fmt::format("there is no header of it at byte {}: the archive is damaged", entry.header));
  const auto flags = zip::number<std::uint16_t>(header, 6);
  if ((flags & zip::kEncryptedFlags) != 0)
    fail(name_of(entry), "it is encrypted: make the archive again without a password");
  const std::int64_t name_bytes = zip::number<std::uint16_t>(header, 26);
  const std::int64_t begin =
      entry.header + zip::kLocalBytes + name_bytes + zip::number<std::uint16_t>(header, 28);
  std::string name(static_cast<std::size_t>(entry.name_bytes), '\0');
  if (name_bytes == entry.name_bytes)
    file_.read_at(entry.header + zip::kLocalBytes, std::as_writable_bytes(std::span(name)));
  // Values of zip64, and those that follow the contents, are only in the directory.
  const bool sizes_follow = (flags & zip::kSizesFollowFlag) != 0;
  const auto packed = zip::number<std::uint32_t>(header, 18),
             unpacked = zip::number<std::uint32_t>(header, 22);
  const auto agrees = [sizes_follow](std::uint32_t here, std::int64_t there) {
    return sizes_follow || here == zip::kIn64 || std::int64_t{here} == there;
  };
  if (name_bytes != entry.name_bytes || name != name_of(entry) ||
      zip::number<std::uint16_t>(header, 8) != (entry.deflated ? zip::kDeflated : zip::kStored) ||
      !agrees(packed, entry.packed) || !agrees(unpacked, entry.unpacked) ||
      (!sizes_follow && zip::number<std::uint32_t>(header, 14) != entry.crc))
    fail(name_of(entry),
         fmt::format("its header at byte {} and the directory of the archive disagree about its "
                     "name, method, sizes or checksum: the archive is damaged",
                     entry.header));
  if (begin > entry.end || entry.end - begin < entry.packed)
    fail(name_of(entry), fmt::format("its {} bytes at byte {} overlap what begins at byte {}", entry.packed,
                                     begin, entry.end));
  return begin;
}

std::int64_t ZipFile::contents_of_stored(std::int64_t index) const {
  const ZipEntry& wanted = entry(index);
  if (wanted.deflated)
    throw Error(ExitCode::internal, fmt::format("{}: {} is not stored", path_.string(), name_of(wanted)));
  return contents_of(wanted);
}

void ZipFile::read_blocks(std::int64_t index,
                          const std::function<bool(std::span<const std::byte>)>& use) const {
  const ZipEntry& wanted = entry(index);
  std::int64_t at = contents_of(wanted), left = wanted.packed, unpacked = 0;
  std::vector<std::byte> block(static_cast<std::size_t>(std::clamp<std::int64_t>(left, 1, kZipBlock)));
  std::uint32_t crc = 0;
  const auto pass_on = [&](std::span<const std::byte> bytes) {
    unpacked += std::ssize(bytes);
    if (unpacked > wanted.unpacked)
      fail(name_of(wanted),
           fmt::format("it unpacks to more than its {} bytes: it is damaged", wanted.unpacked));
    crc =
        static_cast<std::uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    return use(bytes);
  };
  const auto next_block = [&] {
    const auto bytes = std::span(block).first(static_cast<std::size_t>(std::min(left, std::ssize(block))));
    file_.read_at(at, bytes);
    at += std::ssize(bytes);
    left -= std::ssize(bytes);
    return bytes;
  };
  if (wanted.deflated) {
    Inflater inflater;
    std::vector<std::byte> out(static_cast<std::size_t>(kZipBlock));
    while (!inflater.ended()) {
      if (inflater.unread() == 0 && left > 0) inflater.give(next_block());
      const std::size_t made = inflater.unpack(out);
      if (inflater.is_damaged())
        fail(name_of(wanted), fmt::format("it does not unpack ({} after {} bytes): it is damaged",
                                          inflater.reason(), unpacked));
      if (made == 0 && !inflater.ended() && inflater.unread() == 0 && left == 0)
        fail(name_of(wanted),
             fmt::format("it ends after {} of its {} bytes: it is damaged", unpacked, wanted.unpacked));
      if (made > 0 && !pass_on(std::span(out).first(made))) return;
    }
    if (inflater.unread() > 0 || left > 0)
      fail(name_of(wanted),
           fmt::format("{} bytes follow its contents: it is damaged", inflater.unread() + left));
  } else {
    while (left > 0)
      if (!pass_on(next_block())) return;
  }
  if (unpacked != wanted.unpacked)
    fail(name_of(wanted),
         fmt::format("it unpacks to {} bytes, not to its {}: it is damaged", unpacked, wanted.unpacked));
  if (crc != wanted.crc)
    fail(name_of(wanted),
         fmt::format("its CRC-32 is {:08x}, but the archive has {:08x}: it is damaged; fetch it "
                     "again",
                     crc, wanted.crc));
}

void ZipFile::read(std::int64_t index, std::span<std::byte> out) const {
  if (std::ssize(out) != entry(index).unpacked)
    throw Error(ExitCode::internal, fmt::format("{}: {} is read into {} bytes, but has {}", path_.string(),
                                                name(index), out.size(), entry(index).unpacked));
  std::size_t done = 0;
  read_blocks(index, [&](std::span<const std::byte> bytes) {
    std::memcpy(out.data() + done, bytes.data(), bytes.size());
    done += bytes.size();
    return true;
  });
}

}  // namespace ebb::data
