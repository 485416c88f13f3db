// SPDX-License-Identifier: Apache-2.0
// Lists a tar archive for a comparison with Python's tarfile:
//   ebb_tar members FILE     a line "NAME TYPE OFFSET SIZE" for each
//   ebb_tar samples FILE     a line "KEY SUFFIX SIZE CRC32" for each part of a sample, with an empty line
//   after
//                            each sample
// Names, keys and suffixes are in hexadecimal digits after a dash. An ebb::Error ends the program with its
// code.
#include <fmt/format.h>
#include <zlib.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/tar/reader.h"
#include "data/webdataset/samples.h"
#include "support/tool_main.h"

namespace {

using namespace ebb::data;

std::string hex(std::string_view text) {
  std::string digits = "-";
  for (const char c : text) digits += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return digits;
}

void list_members(const std::string& path) {
  TarReader reader(path);
  while (const auto member = reader.next())
    fmt::print("{} {} {} {}\n", hex(member->name), member->type, member->offset, member->size);
}

void list_samples(const std::string& path) {
  std::vector<std::byte> buffer;
  for_each_sample(
      path, ShardIndexing::dali_or_headers, [&](const ebb::ReadFile& file, const TarSample& sample) {
        for (const SamplePart& part : sample.parts) {
          const auto bytes = read_tar_member(file, path, part.offset, part.size, buffer);
          const auto sum =
              crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<z_size_t>(bytes.size()));
          fmt::print("{} {} {} {}\n", hex(sample.key), hex(part.suffix), part.size, sum);
        }
        fmt::print("\n");
      });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 3 ? argv[1] : "";
  if (what != "members" && what != "samples") {
    std::fputs("usage: ebb_tar members|samples FILE\n", stderr);
    return 2;
  }
  return ebb::test::run_tool([&] {
    what == "members" ? list_members(argv[2]) : list_samples(argv[2]);
    return 0;
  });
}
