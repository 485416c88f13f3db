// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace ebb {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array<Unit, 11> kByteUnits{{{"", 1.0},
                                           {"B", 1.0},
                                           {"kB", 1e3},
                                           {"KB", 1e3},
                                           {"MB", 1e6},
                                           {"GB", 1e9},
                                           {"TB", 1e12},
                                           {"KiB", 0x1p10},
                                           {"MiB", 0x1p20},
                                           {"GiB", 0x1p30},
                                           {"TiB", 0x1p40}}};

constexpr std::array<Unit, 7> kTimeUnits{
    {{"", 1.0}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}, {"m", 60.0}, {"h", 3600.0}, {"d", 86400.0}}};

struct Quantity {
  std::string_view digits;
  double value;
  double factor;
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Parses a number that begins with a digit (no sign, "inf" or "nan") and a unit.
template <std::size_t N>
std::optional<Quantity> parse_quantity(std::string_view text, const std::array<Unit, N>& units) {
  text = trim(text);
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text.front())) == 0) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.data()));
  const std::string_view name = trim(text.substr(digits.size()));
  for (const Unit& unit : units) {
    if (unit.name == name) return Quantity{digits, value, unit.factor};
  }
  return std::nullopt;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Insertions, deletions, substitutions and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

struct Spelling {
  std::string_view lower;  // in small letters
  std::string_view unit;
};
constexpr std::array<Spelling, 21> kByteSpellings{
    {{"b", "B"},    {"byte", "B"},  {"bytes", "B"}, {"k", "KiB"},   {"kb", "KiB"},     {"kib", "KiB"},
     {"ki", "KiB"}, {"m", "MiB"},   {"mb", "MiB"},  {"mib", "MiB"}, {"mi", "MiB"},     {"mbytes", "MiB"},
     {"g", "GiB"},  {"gb", "GiB"},  {"gib", "GiB"}, {"gi", "GiB"},  {"gbytes", "GiB"}, {"t", "TiB"},
     {"tb", "TiB"}, {"tib", "TiB"}, {"ti", "TiB"}}};
constexpr std::array<Spelling, 21> kTimeSpellings{
    {{"usec", "us"},  {"msec", "ms"},   {"msecs", "ms"},  {"millis", "ms"}, {"s", "s"},   {"sec", "s"},
     {"secs", "s"},   {"second", "s"},  {"seconds", "s"}, {"m", "m"},       {"min", "m"}, {"mins", "m"},
     {"minute", "m"}, {"minutes", "m"}, {"h", "h"},       {"hr", "h"},      {"hrs", "h"}, {"hour", "h"},
     {"hours", "h"},  {"day", "d"},     {"days", "d"}}};

template <std::size_t N>
std::string suggest_unit(std::string_view text, const std::array<Spelling, N>& spellings) {
  text = trim(text);
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string name = lower_case(trim(text.substr(digits)));
  const auto found = std::ranges::find(spellings, name, &Spelling::lower);
  return digits == 0 || found == spellings.end() ? ""
                                                 : fmt::format("{}{}", text.substr(0, digits), found->unit);
}

}  // namespace

std::string suggest_bytes(std::string_view text) {
  return suggest_unit(text, kByteSpellings);
}

std::string suggest_duration(std::string_view text) {
  return suggest_unit(text, kTimeSpellings);
}

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  const auto quantity = parse_quantity(text, kByteUnits);
  if (!quantity) return std::nullopt;
  // A whole number is multiplied as an integer: a double would lose bytes above 2^53.
  std::int64_t whole = 0;
  const char* digits_end = quantity->digits.data() + quantity->digits.size();
  const auto [end, error] = std::from_chars(quantity->digits.data(), digits_end, whole);
  if (end == digits_end) {
    std::int64_t bytes = 0;
    if (error != std::errc()) return std::nullopt;
    if (__builtin_mul_overflow(whole, static_cast<std::int64_t>(quantity->factor), &bytes))
      return std::nullopt;
    return bytes;
  }
  const double bytes = std::round(quantity->value * quantity->factor);
  if (quantity->factor == 1.0 && bytes != quantity->value) return std::nullopt;  // no fraction of a byte
  if (!(bytes < 0x1p63)) return std::nullopt;
  return static_cast<std::int64_t>(bytes);
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array<const char*, 7> kNames{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = std::fabs(static_cast<double>(bytes));
  const char* sign = bytes < 0 ? "-" : "";
  if (value < 1024) return fmt::format("{}{:.0f} B", sign, value);
  std::size_t unit = 0;
  // 1023.95 would be printed as 1024.0 of the smaller unit.
  while (value >= 1023.95 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{}{:.1f} {}", sign, value, kNames[unit]);
}

std::string exact_bytes(std::int64_t bytes) {
  constexpr std::array<std::pair<int, const char*>, 4> kPowers{
      {{40, "TiB"}, {30, "GiB"}, {20, "MiB"}, {10, "KiB"}}};
  for (const auto& [power, name] : kPowers) {
    const std::int64_t factor = std::int64_t{1} << power;
    if (bytes != 0 && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, name);
  }
  return fmt::format("{}B", bytes);
}

std::optional<double> parse_duration(std::string_view text) {
  const auto quantity = parse_quantity(text, kTimeUnits);
  if (!quantity) return std::nullopt;
  const double seconds = quantity->value * quantity->factor;
  return std::isfinite(seconds) ? std::optional<double>(seconds) : std::nullopt;
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds)) return "unknown";
  if (seconds < 0) return fmt::format("-{}", format_duration(-seconds));
  if (seconds == 0) return "0s";
  if (seconds < 0.9995e-3) return fmt::format("{:.1f}us", seconds * 1e6);
  if (seconds < 0.99995) return fmt::format("{:.1f}ms", seconds * 1e3);
  if (seconds < 59.95) return fmt::format("{:.1f}s", seconds);
  const double whole = std::round(seconds);
  if (whole > 1e15) return fmt::format("{:.0f}d", whole / 86400);
  const auto s = static_cast<std::int64_t>(whole);
  if (s < 3600) return fmt::format("{}m {:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h {:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}d {:02}h", s / 86400, s / 3600 % 24);
}

std::string nearest_name(std::string_view word, std::span<const std::string> candidates) {
  const std::string wanted = lower_case(word);
  const std::string* best = nullptr;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const std::string& candidate : candidates) {
    const std::size_t near_enough = std::max<std::size_t>(1, std::max(word.size(), candidate.size()) / 3);
    const std::size_t distance = edit_distance(wanted, lower_case(candidate));
    // Any two words of one letter have distance one.
    if (distance > near_enough || distance >= std::max<std::size_t>(1, wanted.size())) continue;
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  if (best != nullptr) return *best;
  for (const std::string& candidate : candidates) {
    if (wanted.size() >= 3 && lower_case(candidate).starts_with(wanted)) return candidate;
  }
  return {};
}

}  // namespace ebb
