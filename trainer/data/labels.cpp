// SPDX-License-Identifier: Apache-2.0
#include "data/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace ebb::data {
namespace {

class CheckedLabels final : public Dataset {
 public:
  CheckedLabels(std::unique_ptr<Dataset> dataset, std::int64_t classes, std::string name)
      : dataset_(std::move(dataset)), classes_(classes), name_(std::move(name)) {
    while (dataset_->spec().fields.at(label_).name != core::kLabelField) ++label_;
  }
  [[nodiscard]] std::int64_t size() const override { return dataset_->size(); }
  [[nodiscard]] const core::SampleSpec& spec() const override { return dataset_->spec(); }
  [[nodiscard]] std::int64_t cache_bytes() const override { return dataset_->cache_bytes(); }
  [[nodiscard]] std::int64_t written_cache_bytes() const override { return dataset_->written_cache_bytes(); }
  [[nodiscard]] std::string digest() override { return dataset_->digest(); }
  void read(std::int64_t index, SampleBytes out) override {
    dataset_->read(index, out);
    std::int64_t label = 0;
    std::memcpy(&label, out[label_].data(), sizeof label);
    if (!is_in_range(label, classes_))
      refuse_label(label, classes_, fmt::format("{}: sample {}", name_, index));
  }

 private:
  std::unique_ptr<Dataset> dataset_;
  std::int64_t classes_;
  std::string name_;
  std::size_t label_ = 0;  // index of the field
};

}  // namespace

std::vector<std::int64_t> spread_evenly(std::int64_t count, std::int64_t most) {
  std::vector<std::int64_t> all;
  const std::int64_t n = std::min(count, most);
  for (std::int64_t i = 0; i < n; ++i) all.push_back(n == count ? i : i * (count - 1) / (n - 1));
  return all;
}

std::string label_counts_text(const std::map<std::int64_t, std::int64_t>& counts) {
  constexpr std::size_t kShown = 20;
  std::string text;
  for (std::size_t shown = 0; const auto& [label, count] : counts) {
    if (++shown > kShown) return text + fmt::format(", and {} more", counts.size() - kShown);
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", label, count);
  }
  return text;
}

void refuse_label(std::int64_t label, std::int64_t classes, const std::string& sample) {
  throw Error(ExitCode::data,
              fmt::format("{} has the label {}, but labels are from 0 to {}: set model.classes to the number "
                          "of classes, or correct the data",
                          sample, label, classes - 1));
}

std::unique_ptr<Dataset> with_checked_labels(std::unique_ptr<Dataset> dataset, std::int64_t classes,
                                             std::string name) {
  return std::make_unique<CheckedLabels>(std::move(dataset), classes, std::move(name));
}

}  // namespace ebb::data
