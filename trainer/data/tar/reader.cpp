// SPDX-License-Identifier: Apache-2.0
#include "data/tar/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/units.h"

namespace ebb::data {
namespace {

constexpr std::int64_t kMostExtension = std::int64_t{1} << 20;  // bytes of a long name or pax header

using HeaderBytes = std::array<std::byte, static_cast<std::size_t>(kTarBlock)>;

// Error(data) if the first bytes of a file are those of a compressed one.
void refuse_packed(const std::filesystem::path& path, const HeaderBytes& block) {
  using std::string_view_literals::operator""sv;
  struct Packing {
    std::string_view magic;
    const char *name, *unpacker;
  };
  constexpr std::array<Packing, 4> kPackings{{
      {"\x1f\x8b"sv, "gzip", "gunzip"},
      {"\x28\xb5\x2f\xfd"sv, "Zstandard", "unzstd"},
      {"BZh"sv, "bzip2", "bunzip2"},
      {"\xfd"
       "7zXZ"sv,
       "xz", "unxz"},
  }};
  const std::string_view head(reinterpret_cast<const char*>(block.data()), block.size());
  for (const Packing& packing : kPackings)
    if (head.starts_with(packing.magic))
      throw Error(
          ExitCode::data,
          fmt::format("{} is packed by {}: samples cannot be read from the middle of it; unpack it by "
                      "`{}` first",
                      path.string(), packing.name, packing.unpacker));
}

}  // namespace

TarReader::TarReader(const std::filesystem::path& archive, std::int64_t begin)
    : path_(archive), file_(archive, ExitCode::data), at_(begin) {}

// Empty at the end of the archive.
std::optional<TarHeader> TarReader::read_header(bool after_extension) {
  const TarPlace place{path_, at_};
  if (file_.size() == 0) throw Error(ExitCode::data, fmt::format("{} is empty", path_.string()));
  if (at_ == file_.size() && !after_extension)
    throw Error(ExitCode::data,
                fmt::format("{} ends at byte {} without the marker of its end, a block of zeros: it was cut "
                            "short; copy or make it again. If it is complete, `truncate -s +1024 FILE` adds "
                            "the marker",
                            path_.string(), at_));
  HeaderBytes block{};
  const std::int64_t left = std::clamp<std::int64_t>(file_.size() - at_, 0, kTarBlock);
  file_.read_at(at_, std::span(block).first(static_cast<std::size_t>(left)));
  const bool is_other = at_ == 0 && !has_tar_checksum(block);
  if (is_other) refuse_packed(path_, block);
  if (left < kTarBlock)
    refuse_tar_header(
        place, fmt::format("is cut short: the file ends at byte {}; copy or make it again", file_.size()));
  if (is_zero(block)) {
    if (after_extension) refuse_tar_header(place, "is missing: only a long name or a pax header precedes it");
    return std::nullopt;
  }
  if (is_other)
    throw Error(ExitCode::data,
                fmt::format("{} is no tar archive: its first {} bytes are no header with a right checksum",
                            path_.string(), kTarBlock));
  return parse_tar_header(block, place);
}

// The offset of the next header, behind contents of so many bytes. They and their padding lie in the file.
std::int64_t TarReader::end_of(const TarHeader& header, std::int64_t bytes) const {
  const std::int64_t begin = at_ + kTarBlock, left = file_.size() - begin;
  const std::int64_t padding = (kTarBlock - bytes % kTarBlock) % kTarBlock;
  if (bytes > left || padding > left - bytes)
    refuse_tar_header({path_, at_},
                      fmt::format("gives {} bytes to a member ({}), but the file ends after {}: "
                                  "it was cut short or is damaged; copy or make it again",
                                  bytes, tar_type_name(header.type), left));
  return begin + bytes + padding;
}

std::string TarReader::read_contents(const TarHeader& header) const {
  if (header.size > kMostExtension)
    refuse_tar_header({path_, at_}, fmt::format("has {} of name or pax records; {} are read at most",
                                                format_bytes(header.size), format_bytes(kMostExtension)));
  (void)end_of(header, header.size);
  std::string text(static_cast<std::size_t>(header.size), '\0');
  file_.read_at(at_ + kTarBlock, std::as_writable_bytes(std::span(text)));
  return text;
}

void TarReader::check_end() const {
  std::vector<std::byte> block(std::size_t{1} << 16);
  for (std::int64_t at = at_; at < file_.size(); at += std::ssize(block)) {
    const auto part = std::span(block).first(
        static_cast<std::size_t>(std::min<std::int64_t>(std::ssize(block), file_.size() - at)));
    file_.read_at(at, part);
    if (is_zero(part)) continue;
    const auto other = std::ranges::find_if(part, [](std::byte b) { return b != std::byte{}; });
    throw Error(
        ExitCode::data,
        fmt::format("{}: bytes follow the end of the archive, the first at byte {}: two archives were "
                    "joined, and other programs do not see the second; join them by `tar "
                    "--concatenate`",
                    path_.string(), at + (other - part.begin())));
  }
}

TarMember TarReader::member_of(const TarHeader& header, const TarExtension& extension) const {
  const auto stated = extension.size ? extension.size : global_.size;
  const auto& name = extension.name ? extension.name : global_.name;
  // Writers leave 0 in a header that cannot hold the size.
  if (stated && header.size > 0 && *stated != header.size)
    refuse_tar_header({path_, at_},
                      fmt::format("gives {} bytes, but the pax header before it {}: readers would "
                                  "disagree about what follows",
                                  header.size, *stated));
  const std::int64_t size = stated && header.type == '0' ? *stated : header.size;
  return {name ? *name : header.name, at_ + kTarBlock, size, header.type};
}

std::optional<TarMember> TarReader::next() {
  TarExtension extension;
  for (bool extended = false; !ended_; extended = true) {
    const auto header = read_header(extended);
    if (!header) {
      check_end();
      ended_ = true;
      break;
    }
    const TarPlace place{path_, at_};
    switch (header->type) {
      case 'L':
        extension.name = std::string(read_contents(*header).c_str());  // up to a zero byte
        break;
      case 'x':
      case 'g':
        read_pax_records(read_contents(*header), place, header->type == 'x' ? extension : global_);
        break;
      case 'K':
        break;  // the target of a link
      case 'S':
        refuse_tar_header(place,
                          "belongs to a sparse file, which is not read: write it without `tar --sparse`");
      case 'M':
        refuse_tar_header(place, "continues a file of another volume: join the volumes first");
      default: {
        const TarMember member = member_of(*header, extension);
        at_ = end_of(*header, member.size);
        return member;
      }
    }
    at_ = end_of(*header, header->size);
  }
  return std::nullopt;
}

std::span<const std::byte> read_tar_member(const ReadFile& archive, const std::filesystem::path& path,
                                           std::int64_t offset, std::int64_t size,
                                           std::vector<std::byte>& buffer) {
  const auto refuse = [&](std::string_view fault) {
    throw Error(
        ExitCode::data,
        fmt::format("{}: byte {} {}: the archive changed since it was indexed, or its .idx file belongs "
                    "to another one; start again, without that file",
                    path.string(), offset, fault));
  };
  if (offset < kTarBlock || size < 0 || offset > archive.size() || size > archive.size() - offset)
    refuse(
        fmt::format("should begin {} bytes of a file, but the archive has {} bytes", size, archive.size()));
  buffer.resize(static_cast<std::size_t>(kTarBlock + size));
  archive.read_at(offset - kTarBlock, buffer);
  const TarBlock block(buffer.data(), static_cast<std::size_t>(kTarBlock));
  if (!has_tar_checksum(block)) refuse("does not follow a header");
  const TarHeader header = parse_tar_header(block, {path, offset - kTarBlock});
  // A header that could not hold the size has 0.
  if (header.type != '0' || (header.size != size && header.size != 0))
    refuse(fmt::format("should begin a regular file of {} bytes, but its header is that of {} of {} bytes",
                       size, tar_type_name(header.type), header.size));
  return std::span<const std::byte>(buffer).subspan(static_cast<std::size_t>(kTarBlock));
}

}  // namespace ebb::data
