// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "data/arrays/images.h"
#include "data/arrays/labels.h"
#include "data/arrays/source.h"
#include "data/channels.h"
#include "data/labels.h"
#include "data/test_share.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kCheckedArrayLabels = 4096;

bool is_divided(const DataConfig& config) {
  const bool divided = has_array_splits(config.source);
  refuse_share_of_divided(config, divided);
  return divided;
}

class ArrayDataset final : public Dataset {
 public:
  ArrayDataset(const DataConfig& config, const SplitRequest& request, bool divided)
      : ArrayDataset(config, request, divided, find_arrays(config.source, divided ? request.split : "")) {}

  [[nodiscard]] std::int64_t size() const override { return share_.size(); }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  [[nodiscard]] std::int64_t cache_bytes() const override {
    return (values_ ? values_->bytes_in_memory() : 0) + (labels_ ? labels_->bytes_in_memory() : 0);
  }
  [[nodiscard]] std::int64_t written_cache_bytes() const override { return cache_bytes(); }

  void read(std::int64_t index, SampleBytes out) override {
    require_readable(where_, index, size(), spec_, out);
    const std::int64_t sample = share_.sample_at(index);
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (spec_.fields[i].name == core::kLabelField) {
        const std::int64_t label = read_label(*labels_, sample);
        std::memcpy(out[i].data(), &label, sizeof label);
      } else {
        read_image(sample, out[i]);
      }
    }
  }

 private:
  ArrayDataset(const DataConfig& config, const SplitRequest& request, bool divided, SplitArrays arrays)
      : where_(arrays.images.where),
        images_(read_as_images(arrays.images, config.layout)),
        is_bool_(arrays.images.header.kind == 'b'),
        share_(images_.samples, config.test_share, divided ? "" : request.split, config.source) {
    const bool wants_labels = std::ranges::find(request.fields, core::kLabelField) != request.fields.end();
    const bool wants_images = std::ranges::find(request.fields, core::kImageField) != request.fields.end();
    if (wants_labels && !arrays.labels)
      throw Error(
          ExitCode::data,
          fmt::format("{} has no array of labels beside it, which the model reads: name it labels, or "
                      "y_train and y_test with splits; beside NAME.npy it is NAME_labels.npy",
                      where_));
    if (wants_labels) require_labels(*arrays.labels, images_.samples);
    require_room((wants_images ? arrays.images.unpacked_bytes : 0) +
                     (wants_labels ? arrays.labels->unpacked_bytes : 0),
                 config.cache.ram);
    if (wants_images) values_.emplace(std::move(arrays.images), request.allocate);
    if (wants_labels) labels_.emplace(std::move(*arrays.labels), request.allocate);
    for (const std::string& field : request.fields)
      spec_.fields.push_back(field == core::kLabelField
                                 ? core::label_field()
                                 : core::image_field(images_.channels, images_.height, images_.width));
    if (labels_ && request.classes) check_labels(*request.classes);
  }

  void require_room(std::int64_t bytes, std::int64_t most) const {
    if (bytes > most)
      throw Error(
          ExitCode::data,
          fmt::format("{} is deflated and would be unpacked into memory: {} with its labels, more than "
                      "data.cache.ram ({}). Save the arrays by np.savez, which is read in place, or raise "
                      "data.cache.ram",
                      where_, format_bytes(bytes), format_bytes(most)));
  }

  void check_labels(std::int64_t classes) const {
    for (const std::int64_t sample : spread_evenly(images_.samples, kCheckedArrayLabels)) {
      const std::int64_t label = read_label(*labels_, sample);
      if (!is_in_range(label, classes))
        refuse_label(label, classes, fmt::format("{}: number {}", labels_->array().where, sample));
    }
  }

  void read_image(std::int64_t sample, std::span<std::byte> out) {
    if (images_.channels_last && images_.channels > 1) {
      stored_.resize(out.size());
      values_->read_at(sample * images_.bytes(), stored_);
      split_channels(stored_, static_cast<std::size_t>(images_.channels), out);
    } else {
      values_->read_at(sample * images_.bytes(), out);
    }
    if (is_bool_)
      for (std::byte& value : out) value = value == std::byte{0} ? std::byte{0} : std::byte{255};
  }

  std::string where_;
  ArrayImages images_;
  bool is_bool_;
  TestShare share_;
  std::optional<ArrayValues> values_, labels_;
  core::SampleSpec spec_;
  std::vector<std::byte> stored_;  // of a sample whose channels are last
};

}  // namespace

std::unique_ptr<Dataset> open_arrays(const DataConfig& config, const SplitRequest& request) {
  return std::make_unique<ArrayDataset>(config, request, is_divided(config));
}

std::vector<SourceSplit> array_splits(const DataConfig& config) {
  const bool divided = is_divided(config);
  const auto has_labels = [&config](const std::string& split) {
    return find_arrays(config.source, split).labels.has_value();
  };
  return image_splits(config, divided, divided ? has_labels("train") && has_labels("test") : has_labels(""));
}

}  // namespace ebb::data
