// SPDX-License-Identifier: Apache-2.0
#include "base/philox.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace ebb {
namespace {

using Words = std::array<std::uint32_t, 4>;

// The known answers that the authors publish with Random123 (philox4x32, 10 rounds).
TEST(Philox, MatchesThePublishedVectors) {
  EXPECT_EQ(philox({0, 0, 0, 0}, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomBits, DifferInSeedStreamIndexAndSubIndex) {
  const std::set<Words> draws{
      random_bits(1, RandomStream::sampler, 0, 0),          random_bits(2, RandomStream::sampler, 0, 0),
      random_bits(1, RandomStream::latent, 0, 0),           random_bits(1, RandomStream::sampler, 1, 0),
      random_bits(1, RandomStream::sampler, 1ULL << 32, 0), random_bits(1, RandomStream::sampler, 0, 1)};
  EXPECT_EQ(draws.size(), 6U);
}

TEST(UnitInterval, ExcludesZeroAndIncludesOne) {
  EXPECT_EQ(unit_interval(0), 0x1p-24F);
  EXPECT_EQ(unit_interval(0xffffffff), 1.0F);
}

TEST(Normals, AreFiniteAtTheEndsOfTheInterval) {
  for (const std::uint32_t word : {0U, 0xffffffffU}) {
    for (const float value : normals({word, word, word, word})) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(Normals, HaveMeanZeroVarianceOneAndKurtosisThree) {
  constexpr int kDraws = 50000;
  double sum = 0;
  double squares = 0;
  double fourths = 0;
  for (int i = 0; i < kDraws; ++i) {
    for (const float value :
         normals(random_bits(7, RandomStream::latent, static_cast<std::uint64_t>(i), 0))) {
      const double v = value;
      sum += v;
      squares += v * v;
      fourths += v * v * v * v;
    }
  }
  constexpr double kCount = 4.0 * kDraws;
  EXPECT_NEAR(sum / kCount, 0.0, 0.01);
  EXPECT_NEAR(squares / kCount, 1.0, 0.02);
  EXPECT_NEAR(fourths / kCount, 3.0, 0.15);
}

}  // namespace
}  // namespace ebb
