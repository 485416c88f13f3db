// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "config/section.h"
#include "data/config.h"
#include "data/format.h"
#include "data/sampler.h"

namespace ebb::data {

// Adds test_share to the section `data`: for Format::describe_keys.
void describe_test_share(config::Section& section, DataConfig& config);

// Error(usage) if data.test_share is set, and the source is `divided`: it has splits of its own.
void refuse_share_of_divided(const DataConfig& config, bool divided);

// The splits of a source of images, for Format::splits: train and test if it is divided or has a share, else
// one without a name. Their samples have labels if `labels`.
std::vector<SourceSplit> image_splits(const DataConfig& config, bool divided, bool labels);

// Error(data) for a source that has only one of the folders train and test; `train`: this one.
[[noreturn]] void refuse_one_split_folder(const std::filesystem::path& source, bool train);

// The samples of one split of a source that has no splits of its own. A keyed permutation of [0, samples)
// puts round(share * samples) of them first: the test split. The others are the training split. The mapping
// depends only on both numbers, so it is the same on every rank, in every run and for `ebb data pack`. It
// never changes. Takes no memory.
class TestShare {
 public:
  // `split`: "train", "test", or "" for all samples in the order of the source. `source` is for errors.
  // Error(usage) for a named split without a share. Error(data) if a split would be empty.
  TestShare(std::int64_t samples, double share, const std::string& split, const std::string& source);
  [[nodiscard]] std::int64_t size() const { return size_; }        // samples of the split
  [[nodiscard]] std::int64_t sample_at(std::int64_t index) const;  // of the source; index in [0, size())

 private:
  Sampler order_;
  std::int64_t first_ = 0, size_ = 0;  // positions in the order
};

}  // namespace ebb::data
