// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/zip/zip_file.h"

namespace ebb::data {

// The pictures of an archive: its entries with such a name (has_picture_name), in bytewise order. Hidden
// ones, with a part that begins with a dot, and "__MACOSX" are skipped, as in a folder.
class ZipPictures {
 public:
  // Error(data) of ZipFile, for an archive without a picture, and for one with folders train and test.
  ZipPictures(const std::filesystem::path& path, const BlockAllocator& allocate);

  [[nodiscard]] const ZipFile& zip() const { return zip_; }
  [[nodiscard]] std::int64_t size() const { return std::ssize(entries_); }
  [[nodiscard]] std::span<const std::int64_t> entries() const { return entries_; }  // of `zip()`
  [[nodiscard]] std::string where(std::int64_t index) const;  // for errors: "a.zip, entry 0/1.png"
  // The bytes of the file; valid until the next call. Error(data) above 256 MiB, or if it is damaged.
  std::span<const std::byte> read(std::int64_t index);
  [[nodiscard]] std::int64_t bytes() const {
    return zip_.bytes() + std::ssize(list_.bytes);
  }  // of the blocks

 private:
  ZipFile zip_;
  Block list_;
  std::span<std::int64_t> entries_;  // in the block
  std::vector<std::byte> file_;
};

// SOURCE/SPLIT.zip, or SOURCE if it is an archive.
std::filesystem::path zip_of_split(const std::filesystem::path& source, const std::string& split);
bool has_zip_splits(const std::filesystem::path& source);

}  // namespace ebb::data
