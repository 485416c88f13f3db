#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace ebb::data {

struct PackOptions {
  std::filesystem::path images, labels;   // IDX, plain or gzipped; labels may be empty
  std::filesystem::path out;              // the split's folder
  std::int64_t shard_bytes = 8 << 20;     // uncompressed size at which a new shard begins
  std::string compression = "none";       // "none" or "zstd"
};
struct PackResult { std::int64_t samples, shards, bytes; bool already_there; };

// IDX -> MDS with columns image (ndarray:uint8:C,H,W) and label (int). Written beside and renamed, index.json last: a killed pack leaves no folder that opens.
// A second run over the same inputs finds the result whole and says so (already_there).
PackResult pack_idx(const PackOptions& options, const std::function<void(std::int64_t done, std::int64_t total)>& progress);

// Text for a person: columns, samples, shards, bytes, the first sample's columns. Error(data) if it does not open.
std::string inspect(const std::filesystem::path& folder);
// Reads every shard whole: hashes, offsets, every sample's size. Returns a one-line summary; the first fault is an Error(data) with file, sample, offset.
std::string verify(const std::filesystem::path& folder, const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace ebb::data
