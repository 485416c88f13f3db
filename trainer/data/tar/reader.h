// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/tar/header.h"
#include "data/tar/pax.h"

namespace ebb::data {

struct TarMember {
  std::string name;         // any bytes: nothing is extracted, so `..` and absolute names do no harm
  std::int64_t offset = 0;  // of its contents in the archive; its own header is the block before
  std::int64_t size = 0;    // bytes of contents
  char type = '0';          // of TarHeader: '0' for a regular file
};

// The members of a tar archive, in their order: of V7, ustar, GNU (long names, sizes in base 256) and pax
// (path and size of headers x and g). Reads headers only, not contents. The archive must end with its marker,
// a block of zeros, so one that was cut between two members is noticed; only zeros may follow.
//
// Error(data) names archive, byte and fault: a damaged header, a member beyond the end of the file, a missing
// marker, bytes behind it (archives joined by cat), sparse files, parts of several volumes, a long name or
// pax header above 1 MiB, pax and own header with different sizes, and a compressed archive by its kind.
class TarReader {
 public:
  // Begins with the header at byte `begin`. Error(data) if the file does not open.
  explicit TarReader(const std::filesystem::path& archive, std::int64_t begin = 0);
  std::optional<TarMember> next();  // empty after the last one
  [[nodiscard]] const ReadFile& file() const { return file_; }

 private:
  std::optional<TarHeader> read_header(bool after_extension);
  [[nodiscard]] std::string read_contents(const TarHeader& header) const;
  [[nodiscard]] std::int64_t end_of(const TarHeader& header, std::int64_t bytes) const;
  [[nodiscard]] TarMember member_of(const TarHeader& header, const TarExtension& extension) const;
  void check_end() const;

  std::filesystem::path path_;
  ReadFile file_;
  std::int64_t at_ = 0;  // of the next header
  bool ended_ = false;
  TarExtension global_;  // of pax headers g, for all members that follow
};

// The contents of a regular file, in `buffer`. Error(data) if the block before `offset` is not the header of
// a regular file of `size` bytes, or if the contents leave the archive: it changed, or its index is wrong.
std::span<const std::byte> read_tar_member(const ReadFile& archive, const std::filesystem::path& path,
                                           std::int64_t offset, std::int64_t size,
                                           std::vector<std::byte>& buffer);

}  // namespace ebb::data
