// SPDX-License-Identifier: Apache-2.0
#include "data/picture_zip/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <system_error>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "data/labels.h"
#include "data/picture_zip/archive.h"
#include "data/picture_zip/labels.h"
#include "data/pictures/sample.h"
#include "data/test_share.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

ZipLabelSource label_source(const ZipPictures& pictures) {
  return zip_label_source(pictures.zip(), pictures.entries());
}

// Error(data) if the training split has its labels from elsewhere: their numbers would mean other classes.
std::vector<std::string> training_folders(const fs::path& source, const ZipPictures& opened) {
  const fs::path training = zip_of_split(source, "train");
  if (training == opened.zip().path()) return zip_folders(opened.zip(), opened.entries());
  const ZipPictures pictures(training, allocate_on_heap);
  if (label_source(pictures) != label_source(opened))
    throw Error(ExitCode::data,
                fmt::format("{} and {} have their labels in different ways: give both a {}, or neither",
                            training.string(), opened.zip().path().string(), kZipLabels));
  return zip_folders(pictures.zip(), pictures.entries());
}

class PictureZip final : public Dataset {
 public:
  PictureZip(const DataConfig& config, const SplitRequest& request)
      : settings_(config.pictures),
        pictures_(zip_of_split(config.source, request.split), request.allocate),
        share_(pictures_.size(), config.test_share, has_zip_splits(config.source) ? "" : request.split,
               config.source) {
    for (const std::string& field : request.fields) {
      if (field == core::kLabelField) {
        read_labels(config.source, request);
        spec_.fields.push_back(core::label_field());
      } else {
        spec_.fields.push_back(image_spec());
      }
    }
  }

  [[nodiscard]] std::int64_t size() const override { return share_.size(); }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  [[nodiscard]] std::int64_t cache_bytes() const override {
    return pictures_.bytes() + std::ssize(labels_.bytes);
  }
  [[nodiscard]] std::int64_t written_cache_bytes() const override { return cache_bytes(); }

  void read(std::int64_t index, SampleBytes out) override {
    require_readable(pictures_.zip().path().string(), index, size(), spec_, out);
    const std::int64_t picture = share_.sample_at(index);
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (spec_.fields[i].name == core::kLabelField) {
        std::memcpy(out[i].data(), labels_.bytes.data() + static_cast<std::size_t>(picture) * out[i].size(),
                    out[i].size());
      } else {
        read_picture(
            pictures_.read(picture), pictures_.where(picture), settings_, spec_.fields[i],
            [this] { return pictures_.where(0); }, out[i]);
      }
    }
  }

  // Of all names and checksums, and of the labels.
  [[nodiscard]] std::string digest() override {
    Digest digest;
    const auto add_text = [&](const std::string& text) { digest.add(std::as_bytes(std::span(text))); };
    add_text(Dataset::digest());
    for (const std::int64_t entry : pictures_.entries())
      add_text(fmt::format("\n{} {:08x}", pictures_.zip().name(entry), pictures_.zip().entry(entry).crc));
    digest.add(labels_.bytes);
    return digest.hex();
  }

 private:
  void read_labels(const fs::path& source, const SplitRequest& request) {
    const std::vector<std::int64_t> labels =
        zip_labels(pictures_.zip(), pictures_.entries(), training_folders(source, pictures_));
    if (request.classes)
      for (std::size_t i = 0; i < labels.size(); ++i)
        if (!is_in_range(labels[i], *request.classes))
          refuse_label(labels[i], *request.classes, pictures_.where(static_cast<std::int64_t>(i)));
    const auto bytes = std::as_bytes(std::span(labels));
    labels_ = request.allocate(bytes.size(), kZipIndex);
    std::ranges::copy(bytes, labels_.bytes.begin());
  }

  [[nodiscard]] core::FieldSpec image_spec() {
    return picture_field(settings_, [this] { return picture_info(pictures_.read(0), pictures_.where(0)); });
  }

  PictureConfig settings_;
  ZipPictures pictures_;
  TestShare share_;
  Block labels_;  // int64, in the order of the pictures; empty: they are not read
  core::SampleSpec spec_;
};

std::vector<fs::path> archives_of(const fs::path& source) {
  if (has_zip_splits(source)) return {zip_of_split(source, "train"), zip_of_split(source, "test")};
  return {source};
}

}  // namespace

bool is_picture_zip(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return fs::is_regular_file(path / "train.zip", ignored);
  if (path.extension() != ".zip" || !fs::is_regular_file(path, ignored)) return false;
  try {
    return read_head(path, 2, ExitCode::data) == "PK";
  } catch (const Error&) {
    return false;
  }
}

std::unique_ptr<Dataset> open_picture_zip(const DataConfig& config, const SplitRequest& request) {
  refuse_share_of_divided(config, has_zip_splits(config.source));
  return std::make_unique<PictureZip>(config, request);
}

std::vector<SourceSplit> picture_zip_splits(const DataConfig& config) {
  const bool divided = has_zip_splits(config.source);
  refuse_share_of_divided(config, divided);
  bool labels = true;
  for (const fs::path& path : archives_of(config.source)) {
    const ZipPictures pictures(path, allocate_on_heap);
    labels = labels && label_source(pictures) != ZipLabelSource::none;
  }
  return image_splits(config, divided, labels);
}

std::string inspect_picture_zip(const fs::path& source) {
  std::string text;
  for (const fs::path& path : archives_of(source)) {
    ZipPictures pictures(path, allocate_on_heap);
    std::int64_t bytes = 0;
    for (const std::int64_t entry : pictures.entries()) bytes += pictures.zip().entry(entry).packed;
    const PictureInfo first = picture_info(pictures.read(0), pictures.where(0));
    text +=
        fmt::format("{}{}\nformat       pictures, in a zip archive\npictures     {}, {}; {} other entries\n",
                    text.empty() ? "" : "\n", path.string(), pictures.size(), format_bytes(bytes),
                    pictures.zip().size() - pictures.size());
    text += fmt::format("the first    {}, {} x {} pixels (width x height)\n", first.kind, first.width,
                        first.height);
    const ZipLabelSource kind = label_source(pictures);
    if (kind == ZipLabelSource::none) {
      text += "labels       none\n";
      continue;
    }
    std::map<std::int64_t, std::int64_t> counts;
    for (const std::int64_t label :
         zip_labels(pictures.zip(), pictures.entries(), training_folders(source, pictures)))
      ++counts[label];
    text += fmt::format("labels       {} classes, of {} (class: pictures) {}\n", counts.size(),
                        kind == ZipLabelSource::list ? kZipLabels : "the folders", label_counts_text(counts));
  }
  return text;
}

std::string verify_picture_zip(const fs::path& source, const Progress& progress) {
  std::vector<std::unique_ptr<ZipPictures>> archives;
  std::int64_t all = 0, bytes = 0;
  for (const fs::path& path : archives_of(source)) {
    archives.push_back(std::make_unique<ZipPictures>(path, allocate_on_heap));
    all += archives.back()->size();
  }
  PictureFaults faults;
  for (const auto& pictures : archives) {
    if (label_source(*pictures) != ZipLabelSource::none)
      (void)zip_labels(pictures->zip(), pictures->entries(), training_folders(source, *pictures));
    for (std::int64_t i = 0; i < pictures->size(); ++i) {
      if (progress) progress(faults.checked(), all);
      faults.check([&, i] {
        const auto file = pictures->read(i);
        bytes += std::ssize(file);
        (void)decode_picture(file, 3, pictures->where(i));
      });
    }
  }
  faults.require_none(source.string(), "picture", "make the archive again without");
  if (progress) progress(all, all);
  return fmt::format("{} is intact: {} pictures, {}, checksums: CRC-32", source.string(), all,
                     format_bytes(bytes));
}

}  // namespace ebb::data
