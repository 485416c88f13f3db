// SPDX-License-Identifier: Apache-2.0
#include "data/sampler.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <unordered_set>
#include <vector>

#include "base/error.h"

namespace {
std::atomic<std::int64_t> allocations{0};
}

// Counts allocations on the heap, to show that a sampler makes none.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* block = std::malloc(bytes)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept {
  std::free(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept {
  std::free(block);
}

namespace ebb::data {
namespace {

std::vector<std::int64_t> epoch(const Sampler& sampler, std::int64_t samples, std::int64_t number) {
  std::vector<std::int64_t> out;
  for (std::int64_t p = 0; p < samples; ++p) out.push_back(sampler.sample_at(number * samples + p));
  return out;
}

class OrderOfSize : public ::testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, OrderOfSize,
                         ::testing::Values(1, 2, 3, 4, 5, 7, 16, 17, 63, 64, 65, 1000, 60000, 65536, 65537));

TEST_P(OrderOfSize, EveryEpochIsAPermutation) {
  const std::int64_t n = GetParam();
  for (const std::uint64_t seed : {0ULL, 1ULL, 0xffffffffffffffffULL}) {
    const Sampler sampler(n, seed, true);
    for (const std::int64_t number : {0, 1, 1000000}) {
      std::vector<bool> seen(static_cast<std::size_t>(n));
      for (const std::int64_t sample : epoch(sampler, n, number)) {
        ASSERT_GE(sample, 0);
        ASSERT_LT(sample, n);
        ASSERT_FALSE(seen[static_cast<std::size_t>(sample)]) << sample << " twice";
        seen[static_cast<std::size_t>(sample)] = true;
      }
    }
  }
}

TEST(Sampler, UnshuffledIsTheStoredOrderOverAndOver) {
  const Sampler sampler(3, 9, false);
  EXPECT_THAT(epoch(sampler, 7, 0), ::testing::ElementsAre(0, 1, 2, 0, 1, 2, 0));
  EXPECT_EQ(sampler.epoch_at(2), 0);
  EXPECT_EQ(sampler.epoch_at(3), 1);
}

TEST(Sampler, DiffersByEpochAndBySeed) {
  const auto same_places = [](const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
    std::int64_t same = 0;
    for (std::size_t i = 0; i < a.size(); ++i) same += a[i] == b[i];
    return same;
  };
  const Sampler one(1000, 1, true);
  const Sampler two(1000, 2, true);
  const auto first = epoch(one, 1000, 0);
  // Two independent permutations agree in about one place.
  EXPECT_LT(same_places(first, epoch(one, 1000, 1)), 10);
  EXPECT_LT(same_places(first, epoch(two, 1000, 0)), 10);
  EXPECT_LT(same_places(first, epoch(Sampler(1000, 1, false), 1000, 0)), 10);
}

TEST(Sampler, ManyEpochsSpreadEverySampleOverAllPlaces) {
  // Chi-square of the position of sample 0 of 10 over 4000 epochs, and of the sample at position 0. With 9
  // degrees of freedom, chance exceeds 33.7 once in 10^4. The seeds are fixed, so the result never changes.
  constexpr std::int64_t kSamples = 10;
  constexpr std::int64_t kEpochs = 4000;
  std::vector<double> place(kSamples), content(kSamples);
  const Sampler sampler(kSamples, 7, true);
  for (std::int64_t e = 0; e < kEpochs; ++e) {
    const auto samples = epoch(sampler, kSamples, e);
    for (std::size_t p = 0; p < samples.size(); ++p) {
      if (samples[p] == 0) place[p] += 1;
    }
    content[static_cast<std::size_t>(samples[0])] += 1;
  }
  const auto chi_square = [](const std::vector<double>& counts) {
    double sum = 0;
    for (const double n : counts) sum += (n - kEpochs / 10.0) * (n - kEpochs / 10.0) / (kEpochs / 10.0);
    return sum;
  };
  EXPECT_LT(chi_square(place), 33.7);
  EXPECT_LT(chi_square(content), 33.7);
}

// Checkpoints rely on these values: a resumed run of a newer version reads the same samples.
TEST(Sampler, IsPinned) {
  const Sampler small(10, 1, true);
  EXPECT_THAT(epoch(small, 10, 0), ::testing::ElementsAre(6, 9, 0, 8, 7, 1, 2, 3, 5, 4));
  EXPECT_THAT(epoch(small, 10, 1), ::testing::ElementsAre(7, 8, 3, 6, 4, 1, 2, 5, 9, 0));
  const Sampler fashion(60000, 1, true);
  EXPECT_EQ(fashion.sample_at(0), 21349);
  EXPECT_EQ(fashion.sample_at(59999), 23583);
  EXPECT_EQ(fashion.sample_at(60000), 18689);
  EXPECT_EQ(Sampler(std::int64_t{1} << 40, 42, true).sample_at((std::int64_t{1} << 43) + 12345),
            895825198901);
}

TEST(Sampler, ABillionSamplesNeedNoMemoryAndStayDistinct) {
  constexpr std::int64_t kSamples = 1'000'000'007;
  std::unordered_set<std::int64_t> seen;
  seen.reserve(40000);
  const std::int64_t before = allocations;
  const Sampler sampler(kSamples, 3, true);
  std::int64_t sum = 0;
  for (std::int64_t p = 0; p < 20000; ++p)
    sum += sampler.sample_at(p * 50000) + sampler.sample_at(kSamples - 1 - p);
  EXPECT_EQ(allocations, before);
  EXPECT_GT(sum, 0);
  // Spread over the domain, and a consecutive run at its end that the spread does not reach.
  std::vector<std::int64_t> positions;
  for (std::int64_t p = 0; p < 19000; ++p) positions.insert(positions.end(), {p * 50000, kSamples - 1 - p});
  for (const std::int64_t position : positions) {
    const std::int64_t sample = sampler.sample_at(position);
    ASSERT_GE(sample, 0);
    ASSERT_LT(sample, kSamples);
    ASSERT_TRUE(seen.insert(sample).second) << position;
  }
}

TEST(Sampler, HoldsTheLargestDomain) {
  const std::int64_t samples = std::int64_t{1} << 62;
  const Sampler sampler(samples, 5, true);
  std::unordered_set<std::int64_t> seen;
  for (std::int64_t p = 0; p < 1000; ++p) {
    const std::int64_t sample = sampler.sample_at(p);
    ASSERT_GE(sample, 0);
    ASSERT_LT(sample, samples);
    ASSERT_TRUE(seen.insert(sample).second);
  }
}

TEST(Sampler, RefusesAnEmptyDataset) {
  EXPECT_THROW(Sampler(0, 1, true), Error);
  EXPECT_THROW(Sampler((std::int64_t{1} << 62) + 1, 1, true), Error);
}

}  // namespace
}  // namespace ebb::data
