// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace ebb::data {

inline constexpr const char* kPictureList = "picture list";  // the purpose of its memory

// The pictures below a folder, by their names (has_picture_name), in the bytewise order of their relative
// paths. Only folders are read. Hidden files and folders, and files of other names, are skipped and counted.
// A link is followed if its target is a file below the folder.
//
// Memory: one block of the allocator with the names and 8 bytes for each of them. Immutable.
class PictureList {
 public:
  // Error(data) names a folder that cannot be listed, holds no picture or changes meanwhile. It also names a
  // link that leaves the folder, leads to a folder or to nothing, and a picture that is no regular file.
  PictureList(std::filesystem::path folder, const BlockAllocator& allocate);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::int64_t size() const { return count_; }
  [[nodiscard]] std::string_view name(std::int64_t index) const;  // relative: "cats/1.png"
  [[nodiscard]] std::filesystem::path path(std::int64_t index) const;
  // The first folder of the relative path; empty for a picture directly in the folder.
  [[nodiscard]] std::string_view class_name(std::int64_t index) const;
  [[nodiscard]] std::int64_t bytes() const { return std::ssize(block_.bytes); }  // of the block
  // The number of skipped files by extension: ".txt"; "hidden" and "no extension" for those.
  [[nodiscard]] const std::map<std::string, std::int64_t>& skipped() const { return skipped_; }

 private:
  std::filesystem::path folder_;
  std::int64_t count_ = 0;
  Block block_;         // the offset of each name, in their order; then the names
  std::size_t at_ = 0;  // of the names
  std::map<std::string, std::int64_t> skipped_;
};

// The subfolders of a folder, by name, without hidden ones and links. Error(data) if it cannot be listed.
std::vector<std::string> subfolders(const std::filesystem::path& folder);

// Whether there is a picture in the folder or below it. Looks at most at 10,000 names.
bool holds_picture(const std::filesystem::path& folder);

}  // namespace ebb::data
