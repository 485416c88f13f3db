// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "data/dataset.h"
#include "data/webdataset/samples.h"

namespace ebb::data {

inline constexpr const char* kTarIndex = "tar index";  // the purpose of its memory

// Where the image of each sample of some shards lies, and its label if labels are asked for. Samples are
// numbered in the order of the shards, and in a shard as they follow each other.
//
// Memory: a block of the allocator for each shard, of 12 bytes for each sample, 20 with labels. While a shard
// is read, the heap holds its part too. Immutable.
class TarIndex {
 public:
  struct Entry {
    std::size_t shard = 0;
    std::int64_t offset = 0, size = 0;  // of the image in the shard
    std::int64_t label = 0;             // 0 without labels
  };

  // Walks over the headers of each shard, or reads its index of DALI. Reads the labels. Error(data) as of
  // for_each_sample(), image_part() and read_label(), for a label outside of [0, classes), and if there is no
  // sample.
  TarIndex(std::vector<std::filesystem::path> shards, bool labels, std::optional<std::int64_t> classes,
           const BlockAllocator& allocate);

  [[nodiscard]] std::int64_t size() const { return samples_; }
  [[nodiscard]] Entry at(std::int64_t index) const;
  [[nodiscard]] const std::vector<std::filesystem::path>& shards() const { return shards_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }  // of all blocks
  void add_sizes_and_labels(Digest& digest) const;

 private:
  struct Part {
    Block block;             // i64 offsets, i64 labels, u32 sizes
    std::int64_t first = 0;  // the number of its first sample
    std::int64_t samples = 0;
  };

  std::vector<std::filesystem::path> shards_;
  bool labels_;
  std::vector<Part> parts_;  // of each shard
  std::int64_t samples_ = 0, bytes_ = 0;
};

}  // namespace ebb::data
