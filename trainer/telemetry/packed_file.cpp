// SPDX-License-Identifier: Apache-2.0
#include "telemetry/packed_file.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/file.h"
#include "telemetry/log_file.h"

namespace ebb::telemetry {
namespace {

constexpr std::int64_t kBlock = std::int64_t{64} << 10;
constexpr int kWindowLog = 17;      // 128 KiB: zstd needs a few times as much
constexpr int kMostWindowLog = 21;  // of a file that is read: zstd's own default

// Calls `use` with each block of a file and whether it is the last one, until `use` returns false.
void for_blocks(const std::filesystem::path& path,
                const std::function<bool(std::span<const std::byte>, bool)>& use) {
  const ReadFile file(path, ExitCode::storage);
  std::vector<std::byte> block(static_cast<std::size_t>(kBlock));
  for (std::int64_t at = 0;;) {
    const auto n = static_cast<std::size_t>(std::min(kBlock, file.size() - at));
    file.read_at(at, std::span(block).first(n));
    at += static_cast<std::int64_t>(n);
    const bool last = at == file.size();
    if (!use(std::span(block).first(n), last) || last) return;
  }
}

void require(std::size_t result, const std::filesystem::path& path) {
  if (ZSTD_isError(result) != 0)
    throw Error(ExitCode::storage,
                fmt::format("cannot pack or unpack {}: {}", path.string(), ZSTD_getErrorName(result)));
}

// Calls `use` with each part of the unpacked bytes, until it returns false.
void unpack(const std::filesystem::path& from, const std::function<bool(std::string_view)>& use) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  require(ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kMostWindowLog), from);
  std::vector<char> out(static_cast<std::size_t>(kBlock));
  std::size_t wants = 1;  // 0 at the end of the frame
  bool stopped = false;
  for_blocks(from, [&](std::span<const std::byte> block, bool) {
    ZSTD_inBuffer source{block.data(), block.size(), 0};
    ZSTD_outBuffer sink{out.data(), out.size(), 0};
    do {
      sink.pos = 0;
      wants = ZSTD_decompressStream(context.get(), &sink, &source);
      if (ZSTD_isError(wants) != 0)
        throw DamagedPart(fmt::format("cannot unpack {}: {}", from.string(), ZSTD_getErrorName(wants)));
      stopped = !use({out.data(), sink.pos});
    } while (!stopped && wants != 0 && (source.pos < source.size || sink.pos == sink.size));
    return !stopped;
  });
  if (!stopped && wants != 0)
    throw DamagedPart(fmt::format("cannot unpack {}: it is truncated", from.string()));
}

}  // namespace

void pack_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  require(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, kWindowLog), from);
  std::vector<char> out(static_cast<std::size_t>(kBlock));
  AtomicFile file(to);
  for_blocks(from, [&](std::span<const std::byte> block, bool last) {
    ZSTD_inBuffer source{block.data(), block.size(), 0};
    std::size_t left = 0;
    do {
      ZSTD_outBuffer sink{out.data(), out.size(), 0};
      left = ZSTD_compressStream2(context.get(), &sink, &source, last ? ZSTD_e_end : ZSTD_e_continue);
      require(left, from);
      file.append(std::string_view(out.data(), sink.pos));
    } while (last ? left != 0 : source.pos < source.size);
    return true;
  });
  file.commit();
}

void unpack_file(const std::filesystem::path& from, const std::filesystem::path& to,
                 std::int64_t most_bytes) {
  AtomicFile file(to);
  std::int64_t left = most_bytes;
  unpack(from, [&](std::string_view part) {
    left -= std::ssize(part);
    if (left < 0)
      throw DamagedPart(fmt::format("{} unpacks to more than {} bytes", from.string(), most_bytes));
    file.append(part);
    return true;
  });
  file.commit();
}

std::string first_line_of_packed(const std::filesystem::path& packed) {
  std::string text;
  bool found = false;
  unpack(packed, [&](std::string_view part) {
    const std::size_t newline = part.find('\n');
    found = newline != std::string_view::npos;
    text += part.substr(0, newline);
    if (std::ssize(text) > kLongestLogLine)
      throw DamagedPart(
          fmt::format("the first line of {} has more than {} bytes", packed.string(), kLongestLogLine));
    return !found;
  });
  return text;
}

}  // namespace ebb::telemetry
