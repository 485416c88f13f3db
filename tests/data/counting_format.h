// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstring>
#include <memory>
#include <string>

#include "data/config.h"
#include "data/format.h"

namespace ebb::data::testing {

// A format of the tests, with its own key `data.count_from`. Sample i of a split is the number count_from + i
// as its label, and twice that as its tokens.
class CountingDataset final : public Dataset {
 public:
  CountingDataset(std::int64_t first, std::int64_t samples, const std::vector<std::string>& fields)
      : first_(first), samples_(samples) {
    for (const std::string& field : fields)
      spec_.fields.push_back(field == core::kLabelField ? core::label_field() : core::tokens_field(1));
  }
  [[nodiscard]] std::int64_t size() const override { return samples_; }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  void read(std::int64_t index, SampleBytes out) override {
    require_readable("the counting dataset", index, samples_, spec_, out);
    const std::int64_t number = first_ + index;
    const auto token = static_cast<std::int32_t>(number);
    const std::int32_t tokens[2] = {token, token};
    for (std::size_t i = 0; i < out.size(); ++i) {
      const bool label = spec_.fields[i].name == core::kLabelField;
      std::memcpy(out[i].data(), label ? static_cast<const void*>(&number) : tokens, out[i].size());
    }
  }

 private:
  core::SampleSpec spec_;
  std::int64_t first_, samples_;
};

inline void describe_count_key(config::Section& section, DataConfig& config) {
  section.integer("count_from", config.context).at_least(0).doc("The first number.");
}

// Packs files whose names end in .numbers. It writes nothing, and reports one step per file.
inline Packer counting_packer() {
  Packer packer;
  packer.output = "numbers";
  packer.input = "files of numbers";
  packer.unit = "files";
  packer.accepts = [](const PackRequest& request) {
    return request.inputs.front().extension() == ".numbers";
  };
  packer.pack = [](const PackRequest& request, const Formats&, const Progress& progress) {
    const std::int64_t files = std::ssize(request.inputs);
    for (std::int64_t done = 1; done <= files; ++done) progress(done, files);
    return "packed: " + std::to_string(files) + " files of numbers, in " + request.out.string();
  };
  return packer;
}

inline Format counting_format() {
  Format format;
  format.name = "counting";
  format.doc = "numbers";
  format.fields = {std::string(core::kLabelField), std::string(core::kTokensField)};
  format.describe_keys = describe_count_key;
  format.sample_noun = [](const DataConfig&) { return std::string("numbers"); };
  format.open = [](const DataConfig& config, const SplitRequest& request) -> std::unique_ptr<Dataset> {
    return std::make_unique<CountingDataset>(config.context, request.split == "train" ? 100 : 10,
                                             request.fields);
  };
  format.packer = counting_packer();
  return format;
}

}  // namespace ebb::data::testing
