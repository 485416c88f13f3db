// SPDX-License-Identifier: Apache-2.0
#include "data/webdataset/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "base/error.h"
#include "data/labels.h"
#include "data/webdataset/fields.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

// The columns of a shard while it is read.
struct Columns {
  std::vector<std::int64_t> offsets, labels;
  std::vector<std::uint32_t> sizes;  // images have at most 256 MiB

  [[nodiscard]] std::size_t bytes() const {
    return offsets.size() * sizeof offsets[0] + labels.size() * sizeof labels[0] +
           sizes.size() * sizeof sizes[0];
  }
  void write(std::span<std::byte> out) const {
    for (const auto part : {std::as_bytes(std::span(offsets)), std::as_bytes(std::span(labels)),
                            std::as_bytes(std::span(sizes))}) {
      std::ranges::copy(part, out.begin());
      out = out.subspan(part.size());
    }
  }
};

template <class Number>
Number number_at(std::span<const std::byte> bytes, std::int64_t offset) {
  Number number{};
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

}  // namespace

TarIndex::TarIndex(std::vector<fs::path> shards, bool labels, std::optional<std::int64_t> classes,
                   const BlockAllocator& allocate)
    : shards_(std::move(shards)), labels_(labels) {
  std::optional<std::string> suffix;  // of labels, as the first sample has it
  for (const fs::path& shard : shards_) {
    Columns columns;
    for_each_sample(shard, ShardIndexing::dali_or_headers,
                    [&](const ReadFile& file, const TarSample& sample) {
                      const SamplePart& image = image_part(sample, shard);
                      columns.offsets.push_back(image.offset);
                      columns.sizes.push_back(static_cast<std::uint32_t>(image.size));
                      if (!labels) return;
                      if (!suffix) suffix = label_suffix(sample);
                      columns.labels.push_back(read_label(file, sample, *suffix, shard));
                      if (classes && !is_in_range(columns.labels.back(), *classes))
                        refuse_label(columns.labels.back(), *classes, sample_name(sample, shard));
                    });
    Part part{{}, samples_, std::ssize(columns.offsets)};
    if (part.samples > 0) {
      part.block = allocate(columns.bytes(), kTarIndex);
      columns.write(part.block.bytes);
    }
    samples_ += part.samples;
    bytes_ += std::ssize(part.block.bytes);
    parts_.push_back(std::move(part));
  }
  if (samples_ == 0)
    throw Error(ExitCode::data,
                fmt::format("{}{} no sample: no file has a name like KEY.jpg", shards_.front().string(),
                            shards_.size() > 1 ? " and the archives after it hold" : " holds"));
}

TarIndex::Entry TarIndex::at(std::int64_t index) const {
  const auto after = std::ranges::upper_bound(parts_, index, {}, &Part::first);
  const Part& part = *(after - 1);
  const std::int64_t i = index - part.first, n = part.samples;
  const std::int64_t columns = labels_ ? 2 : 1;
  return {static_cast<std::size_t>(&part - parts_.data()), number_at<std::int64_t>(part.block.bytes, 8 * i),
          number_at<std::uint32_t>(part.block.bytes, 8 * n * columns + 4 * i),
          labels_ ? number_at<std::int64_t>(part.block.bytes, 8 * (n + i)) : 0};
}

// All labels and then all sizes, so that it does not depend on how shards divide the samples.
void TarIndex::add_sizes_and_labels(Digest& digest) const {
  const auto add = [&](std::int64_t begin, std::int64_t bytes) {
    for (const Part& part : parts_)
      digest.add(part.block.bytes.subspan(static_cast<std::size_t>(begin * part.samples),
                                          static_cast<std::size_t>(bytes * part.samples)));
  };
  if (labels_) add(8, 8);
  add(labels_ ? 16 : 8, 4);
}

}  // namespace ebb::data
