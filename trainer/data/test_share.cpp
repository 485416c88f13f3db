// SPDX-License-Identifier: Apache-2.0
#include "data/test_share.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace ebb::data {

void describe_test_share(config::Section& section, DataConfig& config) {
  section.number("test_share", config.test_share)
      .at_least(0)
      .at_most(0.9)
      .doc(
          "Share of the samples that is the test split, for a source without a test split of its own. The "
          "samples are chosen at random, but always the same ones.");
}

void refuse_share_of_divided(const DataConfig& config, bool divided) {
  if (config.test_share > 0 && divided)
    throw Error(ExitCode::usage,
                fmt::format("data.test_share is {}, but {} has a test split of its own: leave it out",
                            config.test_share, config.source));
}

std::vector<SourceSplit> image_splits(const DataConfig& config, bool divided, bool labels) {
  std::vector<std::string> fields = {std::string(core::kImageField)};
  if (labels) fields.emplace_back(core::kLabelField);
  if (config.test_share > 0 || divided) return {{"train", fields}, {"test", fields}};
  return {{"", fields}};
}

void refuse_one_split_folder(const std::filesystem::path& source, bool train) {
  const char *const here = train ? "train" : "test", *const lacking = train ? "test" : "train";
  throw Error(ExitCode::data,
              fmt::format("{} has a folder {}, but no folder {}: add the other split (val of other programs "
                          "is test here), or give {} as the source and choose data.test_share",
                          source.string(), here, lacking, (source / here).string()));
}

TestShare::TestShare(std::int64_t samples, double share, const std::string& split, const std::string& source)
    : order_(samples, 0, !split.empty()), size_(samples) {
  if (split.empty()) return;
  if (!(share > 0))
    throw Error(
        ExitCode::usage,
        fmt::format("{} is not divided into train and test: set data.test_share (0.1 makes a tenth of "
                    "the samples the test split)",
                    source));
  const auto test = static_cast<std::int64_t>(std::llround(share * static_cast<double>(samples)));
  if (test < 1 || test >= samples)
    throw Error(ExitCode::data,
                fmt::format("data.test_share {} of the {} samples of {} is {}: both splits need at least one "
                            "sample",
                            share, samples, source, test));
  first_ = split == "test" ? 0 : test;
  size_ = split == "test" ? test : samples - test;
}

std::int64_t TestShare::sample_at(std::int64_t index) const {
  return order_.sample_at(first_ + index);
}

}  // namespace ebb::data
