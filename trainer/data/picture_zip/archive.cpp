// SPDX-License-Identifier: Apache-2.0
#include "data/picture_zip/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/printable.h"
#include "data/pictures/sample.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

bool is_listed(std::string_view name) {
  return has_picture_name(name) && !name.starts_with('.') && name.find("/.") == std::string_view::npos &&
         !name.starts_with("__MACOSX/");
}

}  // namespace

ZipPictures::ZipPictures(const fs::path& path, const BlockAllocator& allocate) : zip_(path, allocate) {
  std::size_t count = 0;
  for (std::int64_t i = 0; i < zip_.size(); ++i) count += is_listed(zip_.name(i)) ? 1 : 0;
  if (count == 0)
    throw Error(ExitCode::data,
                fmt::format("{} holds no picture (.jpg, .png, .webp or .bmp), and {} other entr{}",
                            path.string(), zip_.size(), zip_.size() == 1 ? "y" : "ies"));
  list_ = allocate(count * sizeof(std::int64_t), kZipIndex);
  entries_ = {reinterpret_cast<std::int64_t*>(list_.bytes.data()), count};
  for (std::int64_t i = 0, next = 0; i < zip_.size(); ++i)
    if (is_listed(zip_.name(i))) entries_[static_cast<std::size_t>(next++)] = i;
  const auto holds = [this](std::string_view folder) {
    return std::ranges::any_of(entries_,
                               [&](std::int64_t entry) { return zip_.name(entry).starts_with(folder); });
  };
  if (holds("train/") && holds("test/"))
    throw Error(ExitCode::data,
                fmt::format("{} has folders train and test: make train.zip and test.zip of them, and "
                            "give the folder of both as the source",
                            path.string()));
}

std::string ZipPictures::where(std::int64_t index) const {
  return fmt::format("{}, entry {}", zip_.path().string(),
                     printable(zip_.name(entries_[static_cast<std::size_t>(index)])));
}

std::span<const std::byte> ZipPictures::read(std::int64_t index) {
  const std::int64_t entry = entries_[static_cast<std::size_t>(index)];
  const std::int64_t bytes = zip_.entry(entry).unpacked;
  if (bytes > kLargestPictureFile) refuse_large_picture(bytes, where(index));
  file_.resize(static_cast<std::size_t>(bytes));
  zip_.read(entry, file_);
  return file_;
}

bool has_zip_splits(const fs::path& source) {
  std::error_code ignored;
  const bool train = fs::is_regular_file(source / "train.zip", ignored);
  const bool test = fs::is_regular_file(source / "test.zip", ignored);
  if (train != test)
    throw Error(
        ExitCode::data,
        fmt::format("{} has {}.zip, but no {}.zip: add the other split (val of other programs is test here), "
                    "or give the archive as the source and choose data.test_share",
                    source.string(), train ? "train" : "test", train ? "test" : "train"));
  return train;
}

fs::path zip_of_split(const fs::path& source, const std::string& split) {
  return has_zip_splits(source) ? source / (split + ".zip") : source;
}

}  // namespace ebb::data
