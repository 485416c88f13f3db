// SPDX-License-Identifier: Apache-2.0
#include "data/webdataset/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "data/pictures/sample.h"
#include "data/tar/reader.h"
#include "data/test_share.h"
#include "data/webdataset/fields.h"
#include "data/webdataset/index.h"
#include "data/webdataset/shards.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kOpenArchives = 64;

// Files that are opened when they are used, in place of the least recently used one.
class OpenArchives {
 public:
  const ReadFile& open(const std::vector<fs::path>& paths, std::size_t number) {
    auto found = std::ranges::find(files_, number, &Archive::number);
    if (found == files_.end()) {
      if (files_.size() == kOpenArchives)
        files_.erase(std::ranges::min_element(files_, {}, &Archive::last_use));
      files_.push_back({number, std::make_unique<ReadFile>(paths[number], ExitCode::data), 0});
      found = files_.end() - 1;
    }
    found->last_use = ++clock_;
    return *found->file;
  }

 private:
  struct Archive {
    std::size_t number;
    std::unique_ptr<ReadFile> file;
    std::uint64_t last_use;
  };
  std::vector<Archive> files_;
  std::uint64_t clock_ = 0;
};

class WebDataset final : public Dataset {
 public:
  WebDataset(const DataConfig& config, const SplitRequest& request)
      : source_(config.source),
        settings_(config.pictures),
        index_(shards_of(config.source, request.split),
               std::ranges::find(request.fields, core::kLabelField) != request.fields.end(), request.classes,
               request.allocate),
        share_(index_.size(), config.test_share,
               shard_splits(config.source) == ShardSplits::none ? request.split : "", config.source) {
    for (const std::string& field : request.fields)
      spec_.fields.push_back(field == core::kLabelField ? core::label_field() : image_spec());
  }

  [[nodiscard]] std::int64_t size() const override { return share_.size(); }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  [[nodiscard]] std::int64_t cache_bytes() const override { return index_.bytes(); }
  [[nodiscard]] std::int64_t written_cache_bytes() const override { return index_.bytes(); }

  void read(std::int64_t index, SampleBytes out) override {
    require_readable(source_, index, size(), spec_, out);
    const TarIndex::Entry entry = index_.at(share_.sample_at(index));
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (spec_.fields[i].name == core::kLabelField) {
        std::memcpy(out[i].data(), &entry.label, sizeof entry.label);
      } else {
        read_picture(
            file_of(entry), name_of(entry), settings_, spec_.fields[i],
            [] { return std::string("the first one"); }, out[i]);
      }
    }
  }

  // Also of the length of each image file and of all labels.
  [[nodiscard]] std::string digest() override {
    Digest digest;
    const std::string samples = Dataset::digest();
    digest.add(std::as_bytes(std::span(samples)));
    index_.add_sizes_and_labels(digest);
    return digest.hex();
  }

 private:
  [[nodiscard]] std::string name_of(const TarIndex::Entry& entry) const {
    return fmt::format("{}: the image at byte {}", index_.shards()[entry.shard].string(), entry.offset);
  }

  std::span<const std::byte> file_of(const TarIndex::Entry& entry) {
    const ReadFile& archive = archives_.open(index_.shards(), entry.shard);
    return read_tar_member(archive, index_.shards()[entry.shard], entry.offset, entry.size, buffer_);
  }

  [[nodiscard]] core::FieldSpec image_spec() {
    return picture_field(settings_, [this] {
      const TarIndex::Entry first = index_.at(0);
      return picture_info(file_of(first), name_of(first));
    });
  }

  std::string source_;
  PictureConfig settings_;
  TarIndex index_;
  TestShare share_;
  OpenArchives archives_;
  std::vector<std::byte> buffer_;  // header and bytes of an image file
  core::SampleSpec spec_;
};

}  // namespace

std::unique_ptr<Dataset> open_webdataset(const DataConfig& config, const SplitRequest& request) {
  refuse_share_of_divided(config, shard_splits(config.source) != ShardSplits::none);
  return std::make_unique<WebDataset>(config, request);
}

std::vector<SourceSplit> webdataset_splits(const DataConfig& config) {
  const bool divided = shard_splits(config.source) != ShardSplits::none;
  refuse_share_of_divided(config, divided);
  const auto has_label = [&config](const std::string& split) {
    const auto first = first_sample(shards_of(config.source, split).front());
    return first && !label_suffix(*first).empty();
  };
  return image_splits(config, divided, divided ? has_label("train") && has_label("test") : has_label(""));
}

}  // namespace ebb::data
