// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <zlib.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ebb::data::testing {

template <class T>
void put_number(std::string& text, std::size_t at, T value) {
  text.replace(at, sizeof value, std::string(reinterpret_cast<const char*>(&value), sizeof value));
}
template <class T>
std::string number_text(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string deflated(const std::string& text) {
  std::string packed(compressBound(text.size()) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// An entry of a zip archive. `change` may damage its headers and its contents as they are in the archive.
struct ZipMember {
  std::string name;
  std::string contents;
  bool deflate = false;
  std::function<void(std::string& local, std::string& central, std::string& packed)> change = {};
};

// A zip archive as APPNOTE describes it. `change` may damage the end of the directory.
inline std::string zip_of(const std::vector<ZipMember>& members,
                          const std::function<void(std::string& end)>& change = {}) {
  std::string archive, directory;
  for (const ZipMember& member : members) {
    std::string packed = member.deflate ? deflated(member.contents) : member.contents;
    const auto crc =
        static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(member.contents.data()),
                                         static_cast<uInt>(member.contents.size())));
    const auto method = static_cast<std::uint16_t>(member.deflate ? 8 : 0);
    const auto offset = static_cast<std::uint32_t>(archive.size());
    std::string local(30, '\0'), central(46, '\0');
    put_number(local, 0, std::uint32_t{0x04034b50});
    put_number(central, 0, std::uint32_t{0x02014b50});
    for (auto [text, skip] : {std::pair<std::string&, std::size_t>(local, 0), {central, 2}}) {
      put_number(text, 4 + skip, std::uint16_t{20});
      put_number(text, 8 + skip, method);
      put_number(text, 14 + skip, crc);
      put_number(text, 18 + skip, static_cast<std::uint32_t>(packed.size()));
      put_number(text, 22 + skip, static_cast<std::uint32_t>(member.contents.size()));
      put_number(text, 26 + skip, static_cast<std::uint16_t>(member.name.size()));
    }
    put_number(central, 42, offset);
    local += member.name;
    central += member.name;
    if (member.change) member.change(local, central, packed);
    archive += local + packed;
    directory += central;
  }
  std::string end(22, '\0');
  put_number(end, 0, std::uint32_t{0x06054b50});
  put_number(end, 8, static_cast<std::uint16_t>(members.size()));
  put_number(end, 10, static_cast<std::uint16_t>(members.size()));
  put_number(end, 12, static_cast<std::uint32_t>(directory.size()));
  put_number(end, 16, static_cast<std::uint32_t>(archive.size()));
  if (change) change(end);
  return archive + directory + end;
}

}  // namespace ebb::data::testing
