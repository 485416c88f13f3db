#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace ebb::data {

// Called now and then with samples done and samples in all; may be empty.
using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

struct PackOptions {
  std::filesystem::path images, labels;  // IDX, plain or gzipped; labels may be empty
  std::filesystem::path out;             // the split's folder
  std::int64_t shard_bytes = 8 << 20;    // unpacked size that a shard does not exceed
  std::string compression = "none";      // "none" or "zstd"
};

struct PackResult {
  std::int64_t samples = 0, shards = 0;
  std::int64_t bytes = 0;      // of the shards, as they lie on the disk
  bool already_there = false;  // a run before this one had made it
};

// IDX -> MDS with the columns image (ndarray:uint8:C,H,W) and label (int). Written into
// OUT.partial.<host>.<pid> and renamed when whole: a killed pack leaves no folder that opens, and what it
// leaves is removed by the next one here. Beside index.json lies pack.json, which says from what it was made:
// a second run over the same inputs with the same options finds the result whole and says so. An OUT that
// holds anything else is left alone: Error(usage) says what is in it. Inputs that are no IDX, cut short or do
// not fit together: Error(data). Disk full: Error(storage).
PackResult pack_idx(const PackOptions& options, const Progress& progress);

// Text for a person: samples, shards, bytes, columns, hashes, the first sample, what it was packed from.
// Reads the index and one sample. A file instead of a folder: what inspect_tokens() says of it. Error(data)
// if it does not open.
std::string inspect(const std::filesystem::path& folder);

// Reads every shard whole: lengths, hashes, offsets, every sample's parts. A summary of one line; the first
// fault is an Error(data) with file, sample and byte.
std::string verify(const std::filesystem::path& folder, const Progress& progress);

}  // namespace ebb::data
