// SPDX-License-Identifier: Apache-2.0
#include "data/picture_folder/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "data/labels.h"
#include "data/picture_folder/list.h"
#include "data/pictures/sample.h"
#include "data/test_share.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

// The folder of a split of a source.
fs::path split_folder(const fs::path& source, const std::string& split) {
  return has_split_folders(source) && !split.empty() ? source / split : source;
}

class PictureFolder final : public Dataset {
 public:
  PictureFolder(const DataConfig& config, const SplitRequest& request)
      : settings_(config.pictures),
        list_(split_folder(config.source, request.split), request.allocate),
        share_(list_.size(), config.test_share, has_split_folders(config.source) ? "" : request.split,
               config.source) {
    for (const std::string& field : request.fields) {
      if (field == core::kLabelField) {
        find_classes(request.split == "test" ? split_folder(config.source, "train") : list_.folder());
        if (request.classes && std::ssize(classes_) > *request.classes)
          refuse_label(std::ssize(classes_) - 1, *request.classes,
                       fmt::format("the class folder {} of {}", classes_.back(), config.source));
        spec_.fields.push_back(core::label_field());
      } else {
        spec_.fields.push_back(image_spec());
      }
    }
  }

  [[nodiscard]] std::int64_t size() const override { return share_.size(); }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  [[nodiscard]] std::int64_t cache_bytes() const override { return list_.bytes(); }
  [[nodiscard]] std::int64_t written_cache_bytes() const override { return list_.bytes(); }

  void read(std::int64_t index, SampleBytes out) override {
    require_readable(list_.folder().string(), index, size(), spec_, out);
    const std::int64_t picture = share_.sample_at(index);
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (spec_.fields[i].name == core::kLabelField) {
        const std::int64_t label = label_of(picture);
        std::memcpy(out[i].data(), &label, sizeof label);
      } else {
        const fs::path path = list_.path(picture);
        read_picture(
            read_picture_file(path), path.string(), settings_, spec_.fields[i],
            [this] { return list_.path(0).string(); }, out[i]);
      }
    }
  }

  // Also of all names, so that another picture in place of one is noticed.
  [[nodiscard]] std::string digest() override {
    Digest digest;
    const auto add_text = [&](std::string_view text) { digest.add(std::as_bytes(std::span(text))); };
    add_text(Dataset::digest());
    for (std::int64_t i = 0; i < list_.size(); ++i) add_text(fmt::format("\n{}", list_.name(i)));
    return digest.hex();
  }

 private:
  [[nodiscard]] core::FieldSpec image_spec() const {
    return picture_field(settings_, [this] {
      const fs::path first = list_.path(0);
      return picture_info(read_picture_file(first), first.string());
    });
  }

  // `training`: the folder whose class folders give the numbers. Checks that every picture has a class.
  void find_classes(const fs::path& training) {
    classes_ = subfolders(training);
    std::vector<bool> used(classes_.size());
    for (std::int64_t i = 0; i < list_.size(); ++i) {
      const std::string_view name = list_.class_name(i);
      if (name.empty())
        throw Error(ExitCode::data,
                    fmt::format("{} lies in no class folder, so it has no label, which the model reads: move "
                                "every picture into the folder of its class, {}/CLASS",
                                list_.path(i).string(), list_.folder().string()));
      const auto found = std::ranges::lower_bound(classes_, name);
      if (found == classes_.end() || *found != name)
        throw Error(ExitCode::data,
                    fmt::format("{} has the class folder {}, which {} lacks: its pictures have "
                                "no label",
                                list_.folder().string(), name, training.string()));
      used[static_cast<std::size_t>(found - classes_.begin())] = true;
    }
    if (training != list_.folder()) return;
    const auto empty = std::ranges::find(used, false);
    if (empty != used.end())
      throw Error(
          ExitCode::data,
          fmt::format("the class folder {} holds no picture: add some, or remove it",
                      (training / classes_[static_cast<std::size_t>(empty - used.begin())]).string()));
  }

  [[nodiscard]] std::int64_t label_of(std::int64_t picture) const {
    return std::ranges::lower_bound(classes_, list_.class_name(picture)) - classes_.begin();
  }

  PictureConfig settings_;
  PictureList list_;
  TestShare share_;
  std::vector<std::string> classes_;  // their index is the label
  core::SampleSpec spec_;
};

}  // namespace

bool has_split_folders(const fs::path& source) {
  std::error_code ignored;
  const bool train = fs::is_directory(source / "train", ignored);
  if (train != fs::is_directory(source / "test", ignored)) refuse_one_split_folder(source, train);
  return train;
}

std::vector<fs::path> split_folders(const fs::path& source) {
  if (!has_split_folders(source)) return {source};
  return {source / "train", source / "test"};
}

std::vector<std::byte> read_picture_file(const fs::path& path) {
  const ReadFile file(path, ExitCode::data);
  if (file.size() > kLargestPictureFile) refuse_large_picture(file.size(), path.string());
  std::vector<std::byte> bytes(static_cast<std::size_t>(file.size()));
  file.read_at(0, bytes);
  return bytes;
}

std::unique_ptr<Dataset> open_picture_folder(const DataConfig& config, const SplitRequest& request) {
  refuse_share_of_divided(config, has_split_folders(config.source));
  return std::make_unique<PictureFolder>(config, request);
}

std::vector<SourceSplit> picture_splits(const DataConfig& config) {
  const bool divided = has_split_folders(config.source);
  refuse_share_of_divided(config, divided);
  bool labels = true;
  for (const fs::path& folder : split_folders(config.source)) {
    const PictureList list(folder, allocate_on_heap);
    for (std::int64_t i = 0; labels && i < list.size(); ++i) labels = !list.class_name(i).empty();
  }
  return image_splits(config, divided, labels);
}

}  // namespace ebb::data
