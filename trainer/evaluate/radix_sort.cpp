// SPDX-License-Identifier: Apache-2.0
#include "evaluate/radix_sort.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ebb::evaluate {
namespace {

constexpr unsigned kDigitBits = 11, kPasses = 3;  // of 32 bits
constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;

// A key has the order of its value: the sign bit is inverted, and all other bits of a negative number too.
std::uint32_t key_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
}
float value_of(std::uint32_t key) {
  return std::bit_cast<float>((key >> 31) != 0 ? key & 0x7fffffffU : ~key);
}

std::size_t digit_of(std::uint32_t key, unsigned pass) {
  return key >> (pass * kDigitBits) & (kDigits - 1);
}

}  // namespace

void radix_sort(std::span<float> values) {
  std::vector<std::uint32_t> keys(values.size()), sorted(values.size());
  std::array<std::array<std::size_t, kDigits>, kPasses> place{};  // first the counts of each digit
  for (std::size_t i = 0; i < values.size(); ++i) {
    keys[i] = key_of(values[i]);
    for (unsigned pass = 0; pass < kPasses; ++pass) ++place[pass][digit_of(keys[i], pass)];
  }
  for (unsigned pass = 0; pass < kPasses; ++pass) {
    std::size_t before = 0;
    for (std::size_t& count : place[pass]) before += std::exchange(count, before);
    for (const std::uint32_t key : keys) sorted[place[pass][digit_of(key, pass)]++] = key;
    keys.swap(sorted);
  }
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = value_of(keys[i]);
}

}  // namespace ebb::evaluate
