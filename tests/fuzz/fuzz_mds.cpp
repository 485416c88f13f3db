// SPDX-License-Identifier: Apache-2.0
// An MDS folder: "index.json\0shard". The shard is the content of every file that the index may name. It is
// read as a run reads it: the index, then each sample.
#include <vector>

#include "data/mds/dataset.h"
#include "data/mds/index.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static const fuzz::InputFolder folder;
  const std::string_view input = fuzz::text(data, size);
  const auto zero = input.find('\0');
  folder.put("index.json", input.substr(0, zero));
  const std::string_view shard = zero == std::string_view::npos ? "" : input.substr(zero + 1);
  folder.put("shard.00000.mds", shard);
  folder.put("shard.00000.mds.zstd", shard);
  fuzz::refused_or_read(ExitCode::data, [&] {
    for (const data::MdsShardInfo& s : data::read_mds_index(folder.path()).shards)
      if (s.packed && s.raw.bytes > 1 << 20) return;  // the reader allocates the claimed size
    const auto dataset = data::open_mds(folder.path(), {.cache_bytes = 1 << 16});
    fuzz::require(dataset->size() > 0);
    if (dataset->spec().bytes() > 1 << 20) return;
    std::vector<std::byte> pixels(static_cast<std::size_t>(dataset->spec().bytes()));
    const std::span<std::byte> image(pixels);
    for (std::int64_t i = 0; i < std::min<std::int64_t>(dataset->size(), 64); ++i)
      fuzz::refused_or_read(ExitCode::data, [&] { dataset->read(i, {&image, 1}); });
  });
  return 0;
}
