// SPDX-License-Identifier: Apache-2.0
#include "data/mds/reader.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "data/mds/hashes.h"

namespace ebb::data {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 18;

std::uint32_t little_endian(std::span<const std::byte> bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * i);
  return value;
}

// All hashes in an index for one file, updated together.
class Hashes {
 public:
  explicit Hashes(const MdsFile& expected) : expected_(expected) {
    for (const auto& [algorithm, hex] : expected.hashes) streams_.push_back(StreamHash::make(algorithm));
  }
  void add(std::span<const std::byte> bytes) {
    for (auto& stream : streams_) {
      if (stream) stream->add(bytes);
    }
  }
  void check(const std::filesystem::path& path, const char* what) {
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      if (!streams_[i]) continue;
      const std::string found = streams_[i]->hex();
      const auto& [algorithm, hex] = expected_.hashes[i];
      if (found == hex) continue;
      throw Error(
          ExitCode::data,
          fmt::format("{}: {} are damaged: their {} is {}, the index has {}; copy or pack the shard again",
                      path.string(), what, algorithm, found, hex));
    }
  }

 private:
  const MdsFile& expected_;
  std::vector<std::unique_ptr<StreamHash>> streams_;
};

}  // namespace

MdsShard::MdsShard(const MdsIndex& index, std::size_t number, ReadFile file)
    : index_(&index), number_(number), file_(std::move(file)) {}

MdsShard::MdsShard(const MdsIndex& index, std::size_t number, std::span<const std::byte> unpacked)
    : index_(&index), number_(number), unpacked_(unpacked) {}

std::string MdsShard::path() const {
  return (file_ ? index_->raw_path(number_) : index_->packed_path(number_)).string();
}

std::int64_t MdsShard::header_bytes() const {
  return 4 * (info().samples + 2);
}

void MdsShard::fail(std::int64_t sample, std::int64_t offset, const std::string& what) const {
  throw Error(
      ExitCode::data,
      fmt::format("{}: sample {} of {} (sample {} of the dataset), {}byte {}: {}; the shard is damaged: copy "
                  "or pack it again",
                  path(), sample, info().samples, info().first + sample, file_ ? "" : "unpacked ", offset,
                  what));
}

void MdsShard::read_at(std::int64_t offset, std::span<std::byte> out) const {
  if (file_) {
    file_->read_at(offset, out);
    return;
  }
  const auto begin = static_cast<std::size_t>(offset);
  if (begin > unpacked_.size() || out.size() > unpacked_.size() - begin) {
    throw Error(ExitCode::data,
                fmt::format("{} ends too early: {} bytes were to be read at unpacked byte {} of {}", path(),
                            out.size(), offset, unpacked_.size()));
  }
  if (!out.empty()) std::memcpy(out.data(), unpacked_.data() + begin, out.size());
}

std::uint32_t MdsShard::word_at(std::int64_t offset) const {
  std::array<std::byte, 4> word{};
  read_at(offset, word);
  return little_endian(word);
}

void MdsShard::check_offsets() const {
  const std::int64_t samples = info().samples;
  if (header_bytes() > info().raw.bytes) {
    fail(0, 0, fmt::format("{} offsets do not fit into {} bytes", samples + 1, info().raw.bytes));
  }
  if (const std::int64_t count = word_at(0); count != samples) {
    fail(0, 0, fmt::format("the shard has {} samples, the index {}", count, samples));
  }
  std::vector<std::byte> block;
  std::int64_t before = header_bytes();
  for (std::int64_t i = 0; i <= samples;) {
    const std::int64_t n = std::min<std::int64_t>(samples + 1 - i, kBlock / 4);
    block.resize(static_cast<std::size_t>(4 * n));
    read_at(4 * (i + 1), block);
    for (std::int64_t k = 0; k < n; ++k, ++i) {
      const std::int64_t offset = little_endian(std::span(block).subspan(static_cast<std::size_t>(4 * k), 4));
      if (offset < before) {
        fail(i, 4 * (i + 1),
             fmt::format("its offset {} is smaller than the offset {} before it", offset, before));
      }
      before = offset;
    }
  }
  if (before != info().raw.bytes) {
    fail(samples - 1, 4 * (samples + 1),
         fmt::format("the last sample ends at {}, the shard at {}", before, info().raw.bytes));
  }
}

MdsShard::Extent MdsShard::find(std::int64_t sample, std::size_t column) const {
  if (sample < 0 || sample >= info().samples) {
    throw Error(ExitCode::internal,
                fmt::format("{}: there is no sample {}, only {}", path(), sample, info().samples));
  }
  std::array<std::byte, 8> pair{};
  read_at(4 * (sample + 1), pair);
  const std::int64_t begin = little_endian(std::span(pair).first(4));
  const std::int64_t end = little_endian(std::span(pair).last(4));
  if (begin < header_bytes() || end < begin || end > info().raw.bytes) {
    fail(sample, 4 * (sample + 1),
         fmt::format("it goes from byte {} to {}, outside of the shard", begin, end));
  }
  std::int64_t variable = 0;
  for (const MdsColumn& c : index_->columns) variable += c.bytes ? 0 : 1;
  std::int64_t at = begin + 4 * variable;
  std::int64_t size_word = begin;
  if (at > end) fail(sample, begin, fmt::format("its {} bytes have no room for its sizes", end - begin));
  Extent found{};
  for (std::size_t i = 0; i < index_->columns.size(); ++i) {
    std::int64_t bytes = 0;
    if (index_->columns[i].bytes) {
      bytes = *index_->columns[i].bytes;
    } else {
      bytes = word_at(size_word);
      size_word += 4;
    }
    if (bytes > end - at)
      fail(sample, begin,
           fmt::format("column '{}' needs {} bytes, and {} of its {} are left", index_->columns[i].name,
                       bytes, end - at, end - begin));
    if (i == column) found = {at, bytes};
    at += bytes;
  }
  if (at != end) {
    fail(sample, begin,
         fmt::format("its columns need {} bytes, its offsets leave {}", at - begin, end - begin));
  }
  return found;
}

void check_hashes(const std::filesystem::path& path, const ReadFile& file, const MdsFile& expected) {
  if (file.size() != expected.bytes) {
    throw Error(
        ExitCode::data,
        fmt::format(
            "{} has {} bytes, the index has {}: it is truncated or was replaced; copy or pack it again",
            path.string(), file.size(), expected.bytes));
  }
  if (expected.hashes.empty()) return;
  Hashes hashes(expected);
  std::vector<std::byte> block(kBlock);
  for (std::int64_t at = 0; at < file.size();) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(file.size() - at, kBlock));
    file.read_at(at, std::span(block).first(n));
    hashes.add(std::span(block).first(n));
    at += static_cast<std::int64_t>(n);
  }
  hashes.check(path, "its bytes");
}

void unpack_shard(const MdsIndex& index, std::size_t number, std::span<std::byte> out, bool check) {
  const MdsShardInfo& info = index.shards[number];
  const std::filesystem::path path = index.packed_path(number);
  const ReadFile file(path, ExitCode::data);
  if (file.size() != info.packed->bytes) {
    throw Error(ExitCode::data,
                fmt::format("{} has {} bytes, the index has {}: it is truncated or was replaced; copy "
                            "or pack it again",
                            path.string(), file.size(), info.packed->bytes));
  }
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (!context) throw Error(ExitCode::memory, "out of memory for zstd's context");
  Hashes packed(*info.packed);
  std::vector<std::byte> block(kBlock);
  ZSTD_outBuffer sink{out.data(), out.size(), 0};
  std::size_t wants = 0;  // 0 once a frame is complete
  std::string fault;
  for (std::int64_t at = 0; at < file.size() && fault.empty();) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(file.size() - at, kBlock));
    const auto bytes = std::span(block).first(n);
    file.read_at(at, bytes);
    if (check) packed.add(bytes);
    ZSTD_inBuffer source{bytes.data(), bytes.size(), 0};
    while (source.pos < source.size && fault.empty()) {
      const std::size_t consumed = source.pos;
      const std::size_t produced = sink.pos;
      wants = ZSTD_decompressStream(context.get(), &sink, &source);
      if (ZSTD_isError(wants)) {
        fault = fmt::format("zstd stops near byte {}: {}", at + static_cast<std::int64_t>(source.pos),
                            ZSTD_getErrorName(wants));
      } else if (consumed == source.pos && produced == sink.pos) {
        fault = fmt::format("it unpacks to more than the {} bytes of the index", out.size());
      }
    }
    at += static_cast<std::int64_t>(n);
  }
  if (fault.empty() && (wants != 0 || sink.pos != out.size())) {
    fault = fmt::format("it unpacks to {} bytes, the index has {}", sink.pos, out.size());
  }
  if (!fault.empty()) {
    throw Error(ExitCode::data,
                fmt::format("{} is damaged: {}; copy or pack it again", path.string(), fault));
  }
  if (!check) return;
  packed.check(path, "its bytes");
  Hashes raw(info.raw);
  raw.add(out);
  raw.check(path, "its unpacked bytes");
}

}  // namespace ebb::data
