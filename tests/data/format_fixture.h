// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/config.h"
#include "data/fixtures.h"

namespace ebb::data::testing {

// Tests of a format: files in a folder of the test, and datasets on them.
class FormatTest : public ::testing::Test {
 protected:
  void put(const std::string& name, const std::string& bytes) const {
    fs::create_directories((dir_ / name).parent_path());
    write_bytes(dir_ / name, bytes);
  }
  [[nodiscard]] DataConfig config_of(const std::string& source, const std::string& format) const {
    DataConfig config(builtin_formats());
    config.source = dir_ / source;
    config.format = format;
    return config;
  }
  // Expects `auto` to find this format.
  [[nodiscard]] DataConfig recognized(const std::string& source, const std::string& format) const {
    DataConfig config = config_of(source, kAutoFormat);
    config.resolve_format();
    EXPECT_EQ(config.format, format) << source;
    return config;
  }
  static std::unique_ptr<Dataset> open_split(const DataConfig& config, const std::string& split,
                                             std::vector<std::string> fields) {
    return config.entry().open(config, {split, std::move(fields)});
  }
  // The first value of each sample's image, the only field.
  static std::vector<int> first_values(Dataset& dataset) {
    std::vector<int> all;
    std::vector<std::byte> image(static_cast<std::size_t>(dataset.spec().at("image").bytes()));
    for (std::int64_t i = 0; i < dataset.size(); ++i) {
      read_only_field(dataset, i, image);
      all.push_back(std::to_integer<int>(image.front()));
    }
    return all;
  }
  // The labels, the only field.
  static std::vector<std::int64_t> labels_of(Dataset& dataset) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(dataset.size()));
    for (std::size_t i = 0; i < all.size(); ++i)
      read_only_field(dataset, static_cast<std::int64_t>(i), std::as_writable_bytes(std::span(&all[i], 1)));
    return all;
  }
  Scratch dir_;
};

}  // namespace ebb::data::testing
