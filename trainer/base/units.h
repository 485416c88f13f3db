// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ebb {

// "25MiB", "4 GiB", "1.5KiB", "1000B", "12kB" (1000), "4096" -> bytes, rounded to the nearest. nullopt for a
// size that is invalid, negative or beyond int64. Units: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB.
std::optional<std::int64_t> parse_bytes(std::string_view text);

// For display: 26214400 -> "25.0 MiB"; below 1 KiB "812 B"; negative differences keep their sign.
std::string format_bytes(std::int64_t bytes);

// 26214400 -> "25MiB" if that is exact, else "26214401B". parse_bytes() restores the same number.
std::string exact_bytes(std::int64_t bytes);

// "300s", "5m", "1.5h", "250ms", "2d", "300" (seconds) -> seconds. nullopt for an invalid, negative
// or infinite duration. Units: us, ms, s, m, h, d.
std::optional<double> parse_duration(std::string_view text);

// Return what a text with another spelling of the unit probably means: "25Mb" -> "25MiB", "5 min" -> "5m".
// Empty if that is not clear. The letters of a size stand for powers of 1024.
std::string suggest_bytes(std::string_view text);
std::string suggest_duration(std::string_view text);

// For display: 93600 -> "1d 02h", 3725 -> "1h 02m", 65 -> "1m 05s", 12.3 -> "12.3s", 0.0042 -> "4.2ms".
std::string format_duration(double seconds);

// Returns the name in `candidates` that `word` probably means: the nearest by edit distance, else one that
// begins with `word`. A swap of neighbours is one edit; case does not count. Empty if none is near enough;
// the first of equals.
std::string nearest_name(std::string_view word, std::span<const std::string> candidates);

}  // namespace ebb
