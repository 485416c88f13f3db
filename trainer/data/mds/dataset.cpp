// SPDX-License-Identifier: Apache-2.0
#include "data/mds/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "data/labels.h"
#include "data/mds/columns.h"
#include "data/mds/index.h"
#include "data/mds/picture_column.h"
#include "data/mds/reader.h"

namespace ebb::data {
namespace {

constexpr std::size_t kOpenFiles = 64;
constexpr std::int64_t kCheckedLabels = 4096, kUnpackedShards = 8;  // by check_labels

class MdsDataset final : public Dataset {
 public:
  MdsDataset(const std::filesystem::path& folder, const MdsOptions& options)
      : index_(read_mds_index(folder)), checked_(index_.shards.size()) {
    for (const std::string& field : options.fields) columns_.push_back(find_column(index_, field));
    check_shard_files(index_);
    allocate_cache(options);
    for (MdsFieldColumn& column : columns_) {
      set_pictures(column, options.pictures);
      spec_.fields.push_back(column.field);
    }
  }

  [[nodiscard]] std::int64_t size() const override { return index_.samples; }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }

  [[nodiscard]] std::int64_t cache_bytes() const override {
    std::int64_t bytes = 0;
    for (const OpenShard& shard : unpacked_) bytes += std::ssize(shard.memory.bytes);
    return bytes;
  }
  [[nodiscard]] std::int64_t written_cache_bytes() const override {
    std::int64_t bytes = 0;
    for (const OpenShard& shard : unpacked_)
      if (shard.shard) bytes += index_.shards[shard.shard->number()].raw.bytes;
    return bytes;
  }

  void read(std::int64_t index, SampleBytes out) override {
    require_readable(index_.folder.string(), index, index_.samples, spec_, out);
    const std::size_t number = index_.shard_of(index);
    const MdsShard& shard = open(number);
    const std::int64_t sample = index - index_.shards[number].first;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const MdsFieldColumn& column = columns_[i];
      if (pictures_ && column.field.name == core::kImageField)
        pictures_->read(shard, sample, column.field, out[i]);
      else
        column.read(shard, shard.find(sample, column.column).begin, out[i]);
    }
  }

  // Of the index, which has the hash of each shard. Of shards without hashes, it reads two blocks of their
  // contents each, of at most 16. They are the same blocks whether the shards are packed or not.
  [[nodiscard]] std::string digest() override {
    constexpr std::int64_t kShards = 16, kBlock = 4096;
    Digest digest;
    const auto add_text = [&](std::string_view text) { digest.add(std::as_bytes(std::span(text))); };
    for (const MdsColumn& column : index_.columns)
      add_text(fmt::format("{} {}\n", column.name, column.encoding));
    std::vector<std::size_t> without;
    for (std::size_t i = 0; i < index_.shards.size(); ++i) {
      const MdsShardInfo& shard = index_.shards[i];
      add_text(fmt::format("{} {}\n", shard.samples, shard.raw.bytes));
      for (const auto& [algorithm, hash] : shard.raw.hashes)
        add_text(fmt::format("{} {}\n", algorithm, hash));
      if (shard.raw.hashes.empty()) without.push_back(i);
    }
    for (const std::int64_t i : spread_evenly(std::ssize(without), kShards)) {
      const std::size_t number = without[static_cast<std::size_t>(i)];
      const MdsShard& shard = open(number);
      const std::int64_t bytes = index_.shards[number].raw.bytes;
      std::vector<std::byte> block(static_cast<std::size_t>(std::min(kBlock, bytes)));
      for (const std::int64_t offset : {std::int64_t{0}, (bytes - std::ssize(block)) / 2}) {
        shard.read_at(offset, block);
        digest.add(block);
      }
    }
    return digest.hex();
  }

  // Error(data) names the shard, sample and label of the first one that is checked and outside of the range.
  void check_labels(std::int64_t classes) {
    const auto column =
        std::ranges::find(columns_, core::kLabelField,
                          [](const MdsFieldColumn& c) -> const std::string& { return c.field.name; });
    if (column == columns_.end()) return;
    std::optional<MdsShard> raw;
    for (const std::int64_t index : labels_to_check()) {
      const std::size_t number = index_.shard_of(index);
      const std::int64_t sample = index - index_.shards[number].first;
      if (!packed_[number] && (!raw || raw->number() != number))
        raw.emplace(index_, number, ReadFile(index_.raw_path(number), ExitCode::data));
      const MdsShard& shard = packed_[number] ? open(number) : *raw;
      std::int64_t label = 0;
      column->read(shard, shard.find(sample, column->column).begin,
                   std::as_writable_bytes(std::span(&label, 1)));
      if (!is_in_range(label, classes)) refuse(label, classes, number, sample);
    }
  }

 private:
  void allocate_cache(const MdsOptions& options) {
    std::int64_t largest = 0;
    std::int64_t compressed = 0;
    for (std::size_t i = 0; i < index_.shards.size(); ++i) {
      packed_.push_back(index_.reads_packed(i));
      if (!packed_.back()) continue;
      ++compressed;
      largest = std::max(largest, index_.shards[i].raw.bytes);
    }
    if (compressed == 0) return;
    const std::int64_t blocks = std::clamp<std::int64_t>(options.cache_bytes / largest, 1, compressed);
    for (std::int64_t i = 0; i < blocks; ++i)
      unpacked_.push_back({options.allocate(static_cast<std::size_t>(largest), kShardCache), {}, 0});
  }

  // Only pictures have a size and channels to choose.
  void set_pictures(MdsFieldColumn& column, const PictureConfig& settings) {
    const MdsColumn& source = index_.columns[column.column];
    if (is_picture_column(source)) {
      pictures_.emplace(index_, column.column, settings);
      column.field = pictures_->field([this]() -> const MdsShard& { return open(0); });
    } else if (source.name == core::kImageField && settings.size) {
      throw Error(ExitCode::usage,
                  fmt::format("data.size is for columns of jpeg, png or pil; the images of {} have the "
                              "encoding {}, so their size is fixed: remove the key",
                              index_.folder.string(), source.encoding));
    } else if (source.name == core::kImageField && settings.channels != PictureConfig{}.channels &&
               settings.channels != column.field.dims[0]) {
      throw Error(ExitCode::usage,
                  fmt::format("data.channels is {}, and the images of {} are {} x {} x {} "
                              "(channels x height x width), which is fixed ({}): remove the "
                              "key",
                              settings.channels, index_.folder.string(), column.field.dims[0],
                              column.field.dims[1], column.field.dims[2], source.encoding));
    }
  }

  // Samples of raw shards, spread over the dataset. Then samples of compressed shards, shard by shard.
  [[nodiscard]] std::vector<std::int64_t> labels_to_check() const {
    std::vector<std::int64_t> samples = spread_evenly(index_.samples, kCheckedLabels);
    std::erase_if(samples, [this](std::int64_t sample) { return packed_[index_.shard_of(sample)]; });
    std::vector<std::size_t> compressed;
    for (std::size_t i = 0; i < packed_.size(); ++i)
      if (packed_[i]) compressed.push_back(i);
    const std::int64_t each =
        std::max<std::int64_t>(2, (kCheckedLabels - std::ssize(samples)) / kUnpackedShards);
    for (const std::int64_t i : spread_evenly(std::ssize(compressed), kUnpackedShards)) {
      const MdsShardInfo& shard = index_.shards[compressed[static_cast<std::size_t>(i)]];
      for (const std::int64_t sample : spread_evenly(shard.samples, each))
        samples.push_back(shard.first + sample);
    }
    return samples;
  }

  // A damaged shard has wrong labels too, and its own message.
  [[noreturn]] void refuse(std::int64_t label, std::int64_t classes, std::size_t number,
                           std::int64_t sample) const {
    const MdsShardInfo& shard = index_.shards[number];
    const auto path = packed_[number] ? index_.packed_path(number) : index_.raw_path(number);
    if (!packed_[number]) check_hashes(path, ReadFile(path, ExitCode::data), shard.raw);
    refuse_label(label, classes,
                 fmt::format("{}: sample {} of {} (sample {} of the dataset)", path.string(), sample,
                             shard.samples, shard.first + sample));
  }

  // An open shard. `memory` holds the bytes of an unpacked one.
  struct OpenShard {
    Block memory;
    std::optional<MdsShard> shard;
    std::uint64_t last_use = 0;
  };

  // The shard, opened in place of the least recently used one.
  const MdsShard& open(std::size_t number) {
    std::vector<OpenShard>& shards = packed_[number] ? unpacked_ : files_;
    OpenShard* oldest = nullptr;
    for (OpenShard& open : shards) {
      if (open.shard && open.shard->number() == number) {
        open.last_use = ++clock_;
        return *open.shard;
      }
      if (oldest == nullptr || open.last_use < oldest->last_use) oldest = &open;
    }
    if (!packed_[number] && files_.size() < kOpenFiles) oldest = &files_.emplace_back();
    // It counts as open only after all checks have passed.
    oldest->shard.reset();
    oldest->last_use = 0;
    const bool first = !checked_[number];
    if (packed_[number]) {
      const auto bytes =
          oldest->memory.bytes.first(static_cast<std::size_t>(index_.shards[number].raw.bytes));
      unpack_shard(index_, number, bytes, first);
      keep(*oldest, MdsShard(index_, number, bytes), first);
    } else {
      ReadFile file(index_.raw_path(number), ExitCode::data);
      if (first) check_hashes(index_.raw_path(number), file, index_.shards[number].raw);
      keep(*oldest, MdsShard(index_, number, std::move(file)), first);
    }
    checked_[number] = true;
    return *oldest->shard;
  }

  void keep(OpenShard& open, MdsShard shard, bool first) {
    if (first) shard.check_offsets();
    open.shard.emplace(std::move(shard));
    open.last_use = ++clock_;
  }

  MdsIndex index_;
  std::vector<MdsFieldColumn> columns_;
  std::optional<MdsPictures> pictures_;  // of the image, if its column holds them
  core::SampleSpec spec_;
  std::vector<bool> checked_, packed_;       // by shard
  std::vector<OpenShard> unpacked_, files_;  // compressed shards in the cache; raw ones
  std::uint64_t clock_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> open_mds(const std::filesystem::path& folder, const MdsOptions& options) {
  auto dataset = std::make_unique<MdsDataset>(folder, options);
  if (options.classes) dataset->check_labels(*options.classes);
  return dataset;
}

}  // namespace ebb::data
