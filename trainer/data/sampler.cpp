// SPDX-License-Identifier: Apache-2.0
#include "data/sampler.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/philox.h"

namespace ebb::data {
namespace {

// Four rounds make a permutation that no test with few queries distinguishes from a random one (Luby and
// Rackoff, 1988). Small domains, whose halves have a few bits, need more.
constexpr std::uint32_t kRounds = 8;

std::uint64_t epoch_key(std::uint64_t seed, std::uint64_t epoch) {
  const auto bits = random_bits(seed, RandomStream::sampler, epoch, 0);
  return std::uint64_t{bits[1]} << 32 | bits[0];
}

std::uint64_t permute(std::uint64_t value, int half_bits, std::uint64_t key) {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  std::uint64_t left = value >> half_bits;
  std::uint64_t right = value & mask;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    // A half has at most 31 bits, so one word of Philox covers it.
    const std::uint64_t noise = random_bits(key, RandomStream::sampler, right, round)[0];
    const std::uint64_t next = left ^ (noise & mask);
    left = right;
    right = next;
  }
  return left << half_bits | right;
}

}  // namespace

Sampler::Sampler(std::int64_t samples, std::uint64_t seed, bool shuffle)
    : samples_(samples), seed_(seed), shuffle_(shuffle) {
  if (samples < 1)
    throw Error(ExitCode::data, fmt::format("a dataset of {} samples cannot be sampled", samples));
  if (samples > std::int64_t{1} << 62) {
    throw Error(ExitCode::data,
                fmt::format("a dataset has {} samples, and at most 2^62 can be sampled", samples));
  }
  while ((std::int64_t{1} << (2 * half_bits_)) < samples) ++half_bits_;
}

std::int64_t Sampler::sample_at(std::int64_t position) const {
  if (position < 0)  // the search below would not end
    throw Error(ExitCode::internal, fmt::format("sample {} of the stream was requested", position));
  const std::int64_t place = position % samples_;
  if (!shuffle_ || half_bits_ == 0) return place;
  const std::uint64_t key = epoch_key(seed_, static_cast<std::uint64_t>(epoch_at(position)));
  auto value = static_cast<std::uint64_t>(place);
  do {
    value = permute(value, half_bits_, key);
  } while (value >= static_cast<std::uint64_t>(samples_));
  return static_cast<std::int64_t>(value);
}

}  // namespace ebb::data
