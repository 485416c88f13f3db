// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "data/dataset.h"

namespace ebb::data {

inline constexpr const char* kZipIndex = "zip index";                     // the purpose of its memory
inline constexpr std::int64_t kMostZipDirectory = std::int64_t{1} << 30;  // bytes: some 10 million entries

// An entry of a zip archive, as its central directory has it.
struct ZipEntry {
  std::int64_t header = 0;    // byte of the local header
  std::int64_t end = 0;       // where the next entry, or the directory, begins
  std::int64_t packed = 0;    // bytes in the archive
  std::int64_t unpacked = 0;  // bytes of the contents
  std::uint32_t crc = 0;      // CRC-32 of the contents
  std::uint32_t name_at = 0;  // of the names
  std::uint16_t name_bytes = 0;
  bool deflated = false;
};

// A zip archive (APPNOTE 6.3.10), also with zip64, whose entries are stored or deflated. The constructor
// reads the central directory. Error(data) names the archive, the entry and the fault: no zip archive;
// truncated; a part of a split one; encrypted; another method; an empty or absolute name, or one with "..",
// "\" or a zero byte; two equal names; entries that overlap; sizes that the archive cannot hold. Folders have
// no entry here.
//
// Memory: one block of the allocator with 48 bytes for each entry and the names. After that any thread may
// read.
class ZipFile {
 public:
  explicit ZipFile(const std::filesystem::path& path, const BlockAllocator& allocate = allocate_on_heap);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::int64_t size() const {
    return std::ssize(entries_);
  }  // entries, by their names (bytewise)
  [[nodiscard]] const ZipEntry& entry(std::int64_t index) const {
    return entries_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::string_view name(std::int64_t index) const { return name_of(entry(index)); }
  [[nodiscard]] std::optional<std::int64_t> find(std::string_view name) const;   // empty: no such entry
  [[nodiscard]] std::int64_t bytes() const { return std::ssize(block_.bytes); }  // of the block

  // Reads the contents into `out`, which has entry(index).unpacked bytes, and checks them by their CRC-32.
  // Error(data) names the entry if it is damaged.
  void read(std::int64_t index, std::span<std::byte> out) const;
  // The same in blocks of at most 64 KiB, in order. If `use` returns false, nothing more is read or checked.
  void read_blocks(std::int64_t index, const std::function<bool(std::span<const std::byte>)>& use) const;
  // The byte of the archive where a stored entry's contents begin; they are contiguous. Checks the local
  // header, but not the contents.
  [[nodiscard]] std::int64_t contents_of_stored(std::int64_t index) const;
  [[nodiscard]] const ReadFile& file() const { return file_; }

 private:
  struct Directory;
  [[nodiscard]] Directory find_directory() const;
  [[nodiscard]] Directory find_directory_64(std::int64_t locator) const;
  void read_directory(const Directory& directory, const BlockAllocator& allocate);
  void check_places(std::int64_t directory_begin);
  void sort_by_name();
  [[nodiscard]] std::string_view name_of(const ZipEntry& entry) const {
    return names_.substr(entry.name_at, entry.name_bytes);
  }
  [[nodiscard]] std::int64_t contents_of(const ZipEntry& entry) const;
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail(std::string_view entry, const std::string& what) const;

  std::filesystem::path path_;
  ReadFile file_;
  Block block_;                  // the entries, then their names
  std::span<ZipEntry> entries_;  // in the block
  std::string_view names_;
};

}  // namespace ebb::data
