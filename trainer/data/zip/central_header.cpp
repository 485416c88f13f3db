// SPDX-License-Identifier: Apache-2.0
#include "data/zip/central_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "data/zip/bytes.h"

namespace ebb::data::zip {
namespace {

// Deflate (RFC 1951) makes at most 258 bytes of 2 bits; the rest is for the end of its last block.
constexpr std::uint64_t kMostRatio = 1032, kSlack = 64;

std::string method_name(std::uint16_t method) {
  constexpr std::array<std::pair<std::uint16_t, std::string_view>, 11> kNames = {{{1, "shrunk"},
                                                                                  {6, "imploded"},
                                                                                  {9, "Deflate64"},
                                                                                  {10, "DCL"},
                                                                                  {12, "bzip2"},
                                                                                  {14, "LZMA"},
                                                                                  {93, "Zstandard"},
                                                                                  {95, "xz"},
                                                                                  {96, "JPEG"},
                                                                                  {98, "PPMd"},
                                                                                  {99, "AES"}}};
  const auto found = std::ranges::find(kNames, method, &std::pair<std::uint16_t, std::string_view>::first);
  return found == kNames.end() ? "unknown" : std::string(found->second);
}

// The field of zip64 in the extra fields; empty: there is none.
std::optional<std::span<const std::byte>> find_zip64(std::span<const std::byte> extra) {
  constexpr std::uint16_t kZip64 = 1;
  std::optional<std::span<const std::byte>> found;
  while (extra.size() >= 4) {
    const auto id = number<std::uint16_t>(extra, 0);
    const std::size_t bytes = number<std::uint16_t>(extra, 2);
    if (bytes > extra.size() - 4) throw Fault("its extra fields are damaged");
    if (id == kZip64 && found) throw Fault("it has two fields of zip64");
    if (id == kZip64) found = extra.subspan(4, bytes);
    extra = extra.subspan(4 + bytes);
  }
  return found;
}

}  // namespace

CentralSizes central_sizes(std::span<const std::byte> fixed) {
  return {number<std::uint16_t>(fixed, 28), number<std::uint16_t>(fixed, 30),
          number<std::uint16_t>(fixed, 32)};
}

CentralHeader parse_central(std::span<const std::byte> entry, const CentralSizes& sizes,
                            std::int64_t archive) {
  const auto flags = number<std::uint16_t>(entry, 8);
  CentralHeader header;
  header.method = number<std::uint16_t>(entry, 10);
  header.crc = number<std::uint32_t>(entry, 16);
  if ((flags & kEncryptedFlags) != 0)
    throw Fault("it is encrypted: make the archive again without a password");
  if ((flags & kPatchFlag) != 0) throw Fault("it is a patch of another file, which is not read");
  if (header.method != kStored && header.method != kDeflated)
    throw Fault(
        fmt::format("its method of compression is {} ({}), and only 0 (stored) and 8 (deflated) are read: "
                    "make the archive again, by zip -0 or zip",
                    header.method, method_name(header.method)));
  std::uint64_t unpacked = number<std::uint32_t>(entry, 24), packed = number<std::uint32_t>(entry, 20),
                offset = number<std::uint32_t>(entry, 42);
  std::uint32_t disk = number<std::uint16_t>(entry, 34);
  const auto wide = find_zip64(entry.subspan(static_cast<std::size_t>(kCentralBytes + sizes.name),
                                             static_cast<std::size_t>(sizes.extra)));
  std::size_t at = 0;
  for (std::uint64_t* const value : {&unpacked, &packed, &offset}) {
    if (*value != kIn64) continue;
    if (!wide || wide->size() < at + 8) throw Fault("it lacks the sizes of zip64 to which its header refers");
    *value = number<std::uint64_t>(*wide, at);
    at += 8;
  }
  if (disk == 0xffff) {
    if (!wide || wide->size() < at + 4) throw Fault("it lacks the sizes of zip64 to which its header refers");
    disk = number<std::uint32_t>(*wide, at);
  }
  if (disk != 0)
    throw Fault(
        "it lies in another part of a split archive: join the parts into one file (zip -s 0 IN.zip --out "
        "OUT.zip)");
  const auto most = static_cast<std::uint64_t>(archive);
  if (packed > most || offset > most)
    throw Fault(
        fmt::format("it should have {} bytes at byte {}, but the archive has {}", packed, offset, archive));
  if (header.method == kStored && packed != unpacked)
    throw Fault(fmt::format("it is stored, but its sizes are {} and {} bytes", packed, unpacked));
  if (unpacked >
      packed * kMostRatio + kSlack)  // packed is at most the archive's size, so this cannot overflow
    throw Fault(fmt::format("its {} bytes cannot unpack to {}", packed, unpacked));
  header.packed = static_cast<std::int64_t>(packed);
  header.unpacked = static_cast<std::int64_t>(unpacked);
  header.offset = static_cast<std::int64_t>(offset);
  return header;
}

std::string name_fault(std::string_view name) {
  if (name.empty()) return "its name is empty";
  if (name.find('\0') != std::string_view::npos) return "its name has a zero byte";
  if (name.find('\\') != std::string_view::npos)
    return "its name has a backslash: names of folders end in / in a zip archive";
  if (name.starts_with('/')) return "its name is absolute, and names are relative to the archive";
  for (std::string_view rest = name; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part == "..") return "its name has \"..\", which leads out of the archive";
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  }
  return "";
}

}  // namespace ebb::data::zip
