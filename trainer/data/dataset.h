#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace ebb::data {

struct ImageShape { std::int64_t channels, height, width; [[nodiscard]] std::int64_t bytes() const { return channels * height * width; } };

// Images by index. Safe for one thread at a time; a decorator or the loader holds one for each thread.
class Dataset {
 public:
  virtual ~Dataset() = default;
  [[nodiscard]] virtual std::int64_t size() const = 0;
  [[nodiscard]] virtual ImageShape shape() const = 0;
  // Writes sample `index` as uint8 [C, H, W] into `out` (shape().bytes()). Error(data) names file, sample, offset and what is wrong.
  virtual void read(std::int64_t index, std::span<std::byte> out) = 0;
};

// An MDS folder (index.json + shards, raw or zstd). Checks hashes of a shard when it is first opened, offsets always. Memory: one shard's offsets at a
// time plus, for zstd, its bytes; never the whole dataset's.
std::unique_ptr<Dataset> open_mds(const std::filesystem::path& folder);

}  // namespace ebb::data
