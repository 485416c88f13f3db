// SPDX-License-Identifier: Apache-2.0
// IDX files, plain and gzipped, read to their end.
#include <span>
#include <vector>

#include "data/idx.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static fuzz::InputFile file;
  file.put(fuzz::text(data, size));
  fuzz::refused_or_read(ExitCode::data, [] {
    data::IdxReader reader(file.path());
    if (reader.item_bytes() > 1 << 20) return;  // a caller's buffer, not the reader's
    std::vector<std::byte> item(static_cast<std::size_t>(reader.item_bytes()));
    for (std::int64_t i = 0; i < std::min<std::int64_t>(reader.items(), 4096); ++i) reader.read(item);
    if (reader.items() <= 4096) reader.finish();
  });
  return 0;
}
