// SPDX-License-Identifier: Apache-2.0
#include "data/zip/zip_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <vector>

#include "base/error.h"
#include "base/lfs_pointer.h"
#include "base/printable.h"
#include "base/units.h"
#include "data/zip/bytes.h"
#include "data/zip/central_header.h"

namespace ebb::data {

struct ZipFile::Directory {
  std::int64_t begin = 0, bytes = 0, entries = 0;
};

namespace {

constexpr std::int64_t kLongestComment = 65535;

// Reads the directory from front to back in blocks.
class DirectoryBytes {
 public:
  DirectoryBytes(const ReadFile& file, std::int64_t begin, std::int64_t bytes)
      : file_(file), at_(begin), left_(bytes), window_(static_cast<std::size_t>(std::min(bytes, kWindow))) {}
  // The next `bytes` bytes, at most kWindow of them, valid until the next call. Empty: the directory has
  // fewer.
  std::span<const std::byte> peek(std::int64_t bytes) {
    if (bytes > ready_ && bytes <= ready_ + left_) fill();
    return bytes > ready_ ? std::span<const std::byte>()
                          : std::span(window_).subspan(first_, static_cast<std::size_t>(bytes));
  }
  void skip(std::int64_t bytes) {
    first_ += static_cast<std::size_t>(bytes);
    ready_ -= bytes;
  }
  [[nodiscard]] std::int64_t left() const { return ready_ + left_; }

 private:
  // A header with its name, extra field and comment, each below 64 KiB, fits.
  static constexpr std::int64_t kWindow = std::int64_t{256} << 10;

  void fill() {
    const auto ready = std::span(window_).subspan(first_, static_cast<std::size_t>(ready_));
    std::copy(ready.begin(), ready.end(), window_.begin());
    first_ = 0;
    const std::int64_t more = std::min(left_, std::ssize(window_) - ready_);
    file_.read_at(
        at_, std::span(window_).subspan(static_cast<std::size_t>(ready_), static_cast<std::size_t>(more)));
    at_ += more;
    left_ -= more;
    ready_ += more;
  }
  const ReadFile& file_;
  std::int64_t at_, left_;  // what is not in the window
  std::vector<std::byte> window_;
  std::size_t first_ = 0;
  std::int64_t ready_ = 0;  // bytes of the window from first_ on
};

}  // namespace

ZipFile::ZipFile(const std::filesystem::path& path, const BlockAllocator& allocate)
    : path_(path), file_(path, ExitCode::data) {
  const Directory directory = find_directory();
  read_directory(directory, allocate);
  check_places(directory.begin);
  sort_by_name();
}

ZipFile::Directory ZipFile::find_directory() const {
  const std::int64_t searched = std::min(file_.size(), zip::kEndBytes + kLongestComment);
  std::vector<std::byte> tail(static_cast<std::size_t>(searched));
  file_.read_at(file_.size() - searched, tail);
  refuse_lfs_pointer(path_, {reinterpret_cast<const char*>(tail.data()), tail.size()}, ExitCode::data);
  for (std::int64_t at = searched - zip::kEndBytes; at >= 0; --at) {
    const auto end = std::span<const std::byte>(tail).subspan(static_cast<std::size_t>(at));
    if (zip::number<std::uint32_t>(end, 0) != zip::kEnd) continue;
    if (zip::kEndBytes + zip::number<std::uint16_t>(end, 20) != std::ssize(end))
      continue;  // within a comment
    const std::int64_t place = file_.size() - searched + at;
    if (place >= zip::kLocatorBytes) {
      std::array<std::byte, zip::kLocatorBytes> locator{};
      file_.read_at(place - zip::kLocatorBytes, locator);
      if (zip::number<std::uint32_t>(locator, 0) == zip::kLocator64)
        return find_directory_64(place - zip::kLocatorBytes);
    }
    const auto disk = zip::number<std::uint16_t>(end, 4), first_disk = zip::number<std::uint16_t>(end, 6);
    const auto here = zip::number<std::uint16_t>(end, 8), entries = zip::number<std::uint16_t>(end, 10);
    if (disk != 0 || first_disk != 0 || here != entries)
      fail("it is a part of a split archive: join the parts into one file (zip -s 0 IN.zip --out OUT.zip)");
    const Directory found{zip::number<std::uint32_t>(end, 16), zip::number<std::uint32_t>(end, 12), entries};
    if (found.begin + found.bytes != place)
      fail(fmt::format(
          "its directory of {} bytes at byte {} does not end at byte {}, where the record of it is: "
          "it is damaged, or bytes were put before or into it",
          found.bytes, found.begin, place));
    return found;
  }
  fail("it has no directory of a zip archive at its end: it is none, or it is truncated");
}

ZipFile::Directory ZipFile::find_directory_64(std::int64_t locator_at) const {
  std::array<std::byte, zip::kLocatorBytes> locator{};
  file_.read_at(locator_at, locator);
  const auto record_at = zip::number<std::uint64_t>(locator, 8);
  if (zip::number<std::uint32_t>(locator, 4) != 0 || zip::number<std::uint32_t>(locator, 16) > 1)
    fail("it is a part of a split archive: join the parts into one file (zip -s 0 IN.zip --out OUT.zip)");
  std::array<std::byte, zip::kEnd64Bytes> record{};
  if (record_at > static_cast<std::uint64_t>(locator_at) ||
      locator_at - static_cast<std::int64_t>(record_at) < zip::kEnd64Bytes)
    fail(fmt::format("its zip64 record should be at byte {}, where it does not fit", record_at));
  file_.read_at(static_cast<std::int64_t>(record_at), record);
  if (zip::number<std::uint32_t>(record, 0) != zip::kEnd64)
    fail(fmt::format("there is no zip64 record at byte {}", record_at));
  if (zip::number<std::uint32_t>(record, 16) != 0 || zip::number<std::uint32_t>(record, 20) != 0 ||
      zip::number<std::uint64_t>(record, 24) != zip::number<std::uint64_t>(record, 32))
    fail("it is a part of a split archive: join the parts into one file (zip -s 0 IN.zip --out OUT.zip)");
  const auto entries = zip::number<std::uint64_t>(record, 32), bytes = zip::number<std::uint64_t>(record, 40),
             begin = zip::number<std::uint64_t>(record, 48);
  if (begin > record_at || bytes != record_at - begin)
    fail(fmt::format(
        "its directory of {} bytes at byte {} does not end at byte {}, where the record of it is: "
        "it is damaged, or bytes were put before or into it",
        bytes, begin, record_at));
  if (entries > bytes / static_cast<std::uint64_t>(zip::kCentralBytes))
    fail(fmt::format("its directory of {} bytes cannot have {} entries", bytes, entries));
  return {static_cast<std::int64_t>(begin), static_cast<std::int64_t>(bytes),
          static_cast<std::int64_t>(entries)};
}

void ZipFile::read_directory(const Directory& directory, const BlockAllocator& allocate) {
  if (directory.entries > directory.bytes / zip::kCentralBytes)
    fail(fmt::format("its directory of {} bytes cannot have {} entries", directory.bytes, directory.entries));
  if (directory.bytes > kMostZipDirectory)
    fail(fmt::format("its directory has {}, and at most {} are read: split it into several archives",
                     format_bytes(directory.bytes), format_bytes(kMostZipDirectory)));
  const auto count = static_cast<std::size_t>(directory.entries);
  const auto most_names = static_cast<std::size_t>(directory.bytes - directory.entries * zip::kCentralBytes);
  if (directory.bytes == 0) return;
  block_ = allocate(count * sizeof(ZipEntry) + most_names, kZipIndex);
  auto* const entries = reinterpret_cast<ZipEntry*>(block_.bytes.data());
  const auto names = block_.bytes.subspan(count * sizeof(ZipEntry));
  names_ = {reinterpret_cast<const char*>(names.data()), names.size()};
  std::size_t kept = 0, name_at = 0;
  DirectoryBytes bytes(file_, directory.begin, directory.bytes);
  for (std::int64_t i = 0; i < directory.entries; ++i) {
    const auto damaged = [&] {
      fail(fmt::format("entry {} of {} in its directory is damaged or cut short", i, directory.entries));
    };
    const auto fixed = bytes.peek(zip::kCentralBytes);
    if (fixed.empty() || zip::number<std::uint32_t>(fixed, 0) != zip::kCentralHeader) damaged();
    const zip::CentralSizes sizes = zip::central_sizes(fixed);
    const auto whole = bytes.peek(zip::kCentralBytes + sizes.name + sizes.extra + sizes.comment);
    if (whole.empty()) damaged();
    const auto text = whole.subspan(zip::kCentralBytes, static_cast<std::size_t>(sizes.name));
    const std::string_view name(reinterpret_cast<const char*>(text.data()), text.size());
    if (const std::string fault = zip::name_fault(name); !fault.empty()) fail(name, fault);
    zip::CentralHeader header;
    try {
      header = zip::parse_central(whole, sizes, file_.size());
    } catch (const zip::Fault& fault) {
      fail(name, fault.what());
    }
    bytes.skip(std::ssize(whole));
    if (name.ends_with('/')) {
      if (header.unpacked != 0) fail(name, "its name is that of a folder, but it has contents");
      continue;
    }
    // More entries are claimed than headers follow, so the names take bytes of headers.
    if (text.size() > names.size() - name_at) damaged();
    std::copy(text.begin(), text.end(), names.begin() + static_cast<std::ptrdiff_t>(name_at));
    new (entries + kept++) ZipEntry{header.offset,
                                    0,
                                    header.packed,
                                    header.unpacked,
                                    header.crc,
                                    static_cast<std::uint32_t>(name_at),
                                    static_cast<std::uint16_t>(text.size()),
                                    header.method == zip::kDeflated};
    name_at += text.size();
  }
  if (bytes.left() != 0)
    fail(fmt::format("its directory has {} bytes after the last of {} entries", bytes.left(),
                     directory.entries));
  entries_ = {entries, kept};
}

void ZipFile::check_places(std::int64_t directory_begin) {
  std::sort(entries_.begin(), entries_.end(),
            [](const ZipEntry& a, const ZipEntry& b) { return a.header < b.header; });
  std::int64_t next = directory_begin;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    entry->end = next;
    const std::int64_t least = zip::kLocalBytes + entry->name_bytes;
    if (entry->header > next || next - entry->header < least || next - entry->header - least < entry->packed)
      fail(name_of(*entry), fmt::format("its {} bytes at byte {} overlap what begins at byte {}",
                                        entry->packed, entry->header, next));
    next = entry->header;
  }
}

void ZipFile::sort_by_name() {
  std::sort(entries_.begin(), entries_.end(),
            [this](const ZipEntry& a, const ZipEntry& b) { return name_of(a) < name_of(b); });
  for (std::size_t i = 1; i < entries_.size(); ++i)
    if (name_of(entries_[i - 1]) == name_of(entries_[i]))
      fail(name_of(entries_[i]), "there are two of this name");
}

std::optional<std::int64_t> ZipFile::find(std::string_view name) const {
  const auto found = std::lower_bound(
      entries_.begin(), entries_.end(), name,
      [this](const ZipEntry& entry, std::string_view text) { return name_of(entry) < text; });
  if (found == entries_.end() || name_of(*found) != name) return std::nullopt;
  return found - entries_.begin();
}

void ZipFile::fail(const std::string& what) const {
  throw Error(ExitCode::data, fmt::format("{}: {}", path_.string(), what));
}

void ZipFile::fail(std::string_view entry, const std::string& what) const {
  throw Error(ExitCode::data, fmt::format("{}, entry {}: {}", path_.string(), printable(entry), what));
}

}  // namespace ebb::data
