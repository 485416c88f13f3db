#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "core/sample.h"

namespace ebb::data {

// Samples by index. One thread at a time uses it; the loader has one of its own.
class Dataset {
 public:
  virtual ~Dataset() = default;
  [[nodiscard]] virtual std::int64_t size() const = 0;
  [[nodiscard]] virtual core::SampleShape shape() const = 0;
  // Writes sample `index` into `out` (shape().bytes() long). Error(data) names file,
  // sample, offset and what is wrong.
  virtual void read(std::int64_t index, std::span<std::byte> out) = 0;
};

struct MdsOptions {
  // What unpacked shards may take (class data, owner "shard cache"), all of it allocated by open_mds; one
  // shard is always kept. Nothing is taken where no shard is compressed. A shuffled run over a compressed
  // dataset larger than this unpacks a shard nearly for every sample: pack without compression, or make it
  // larger.
  std::int64_t cache_bytes = std::int64_t{256} << 20;
};

// The images of an MDS folder (index.json and shards, raw or zstd): its column "image", an ndarray of uint8
// with the shape C,H,W or H,W. At the start it checks the index and that every shard is there with its
// length; when a shard is first opened, its hashes and its offsets (it is read whole then, once in the life
// of the object); at every read, that sample's bounds. Memory beside the cache: the index; at most 64 files
// are open.
std::unique_ptr<Dataset> open_mds(const std::filesystem::path& folder, const MdsOptions& options = {});

}  // namespace ebb::data
