// SPDX-License-Identifier: Apache-2.0
// A zip archive: its directory, and the contents of its entries.
#include <vector>

#include "data/zip/zip_file.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static fuzz::InputFile file;
  file.put(fuzz::text(data, size));
  fuzz::refused_or_read(ExitCode::data, [size] {
    const data::ZipFile zip(file.path());
    const auto archive = static_cast<std::int64_t>(size);
    std::int64_t packed = 0;
    for (std::int64_t i = 0; i < zip.size(); ++i) {
      const data::ZipEntry& entry = zip.entry(i);
      packed += entry.packed;
      fuzz::require(packed <= archive && entry.end <= archive);  // no byte belongs to two entries
      fuzz::require(zip.find(zip.name(i)) == i);
      fuzz::require(("/" + std::string(zip.name(i)) + "/").find("/../") == std::string::npos);
      std::int64_t unpacked = 0;
      fuzz::refused_or_read(ExitCode::data, [&] {
        zip.read_blocks(i, [&](std::span<const std::byte> bytes) {
          unpacked += std::ssize(bytes);
          fuzz::require(unpacked <= entry.unpacked);
          return unpacked < 1 << 20;
        });
      });
      if (!entry.deflated)
        fuzz::refused_or_read(ExitCode::data,
                              [&] { fuzz::require(zip.contents_of_stored(i) + entry.packed <= archive); });
    }
  });
  return 0;
}
