// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "numerics/cpu/kernels.h"
#include "numerics/cpu/scalar.h"
#include "numerics/update.h"

namespace ebb::numerics {
namespace {

constexpr std::int64_t kBlock = 1 << 16;
#ifdef EBB_SANITIZED
constexpr std::uint32_t kEvery = 67;  // of the high halves; a sanitizer slows this down a hundredfold
#else
constexpr std::uint32_t kEvery = 1;
#endif

struct SplitMasters {
  std::vector<float> master = std::vector<float>(kBlock), back = std::vector<float>(kBlock);
  std::vector<std::uint16_t> weight = std::vector<std::uint16_t>(kBlock);
  std::vector<std::int16_t> residual = std::vector<std::int16_t>(kBlock);
  void round_trip(Dtype dtype) {
    cpu::kernels().split(dtype, master.data(), weight.data(), residual.data(), kBlock);
    cpu::kernels().join(dtype, weight.data(), residual.data(), back.data(), kBlock);
  }
};

// All 2^32 bit patterns without infinities and NaN.
TEST(SplitMaster, EveryFiniteValueSurvivesInBf16) {
  SplitMasters h;
  std::int64_t values = 0;
  std::int64_t mismatches = 0;
  for (std::uint32_t high = 0; high < 65536; high += kEvery) {
    if ((high & 0x7f80U) == 0x7f80U) continue;
    for (std::uint32_t low = 0; low < 65536; ++low) h.master[low] = cpu::float_of((high << 16) | low);
    h.round_trip(Dtype::bf16);
    values += kBlock;
    if (std::memcmp(h.master.data(), h.back.data(), kBlock * sizeof(float)) != 0) ++mismatches;
  }
  if (kEvery == 1) {
    EXPECT_EQ(values, 4278190080);
  }
  EXPECT_EQ(mismatches, 0);
}

// Every exponent, and every mantissa whose low 16 bits are one of many: the high 16 bits are taken whole.
TEST(SplitMaster, Fp16IsExactFrom2ToTheMinus16To65504AndCloseBelow) {
  SplitMasters h;
  double largest_below = 0;
  for (std::uint32_t high = 0; high < 65536; high += kEvery) {
    const float least = std::fabs(cpu::float_of(high << 16));
    if (!(least <= 65504.0F)) continue;
    for (std::uint32_t low = 0; low < 65536; ++low) h.master[low] = cpu::float_of((high << 16) | low);
    h.round_trip(Dtype::fp16);
    if (least >= 0x1p-16F) {
      for (std::size_t i = 0; i < kBlock; ++i) {
        if (std::fabs(h.master[i]) > 65504.0F) break;
        ASSERT_EQ(cpu::bits_of(h.master[i]), cpu::bits_of(h.back[i])) << h.master[i];
      }
    } else {
      for (std::size_t i = 0; i < kBlock; ++i)
        largest_below = std::max(
            largest_below, std::fabs(static_cast<double>(h.master[i]) - static_cast<double>(h.back[i])));
    }
  }
  EXPECT_LE(largest_below, 0x1p-40);  // 9.1e-13
  if (kEvery == 1) {
    EXPECT_EQ(largest_below, 0x1p-40);
  }
}

TEST(SplitMaster, TheWeightIsTheMasterRoundedToNearest) {
  at::manual_seed(6);
  const at::Tensor master = at::randn({5000}) * 0.02;
  const at::Tensor weight = at::empty({5000}, at::kHalf);
  const at::Tensor residual = at::empty({5000}, at::kShort);
  split_master(master, weight, residual);
  EXPECT_TRUE(at::equal(weight, master.to(at::kHalf)));
  const at::Tensor back = join_master(weight, residual);
  EXPECT_LE((back - master).abs().max().item<double>(), 0x1p-40);
  const at::Tensor large = master.abs() >= 0x1p-16;
  EXPECT_TRUE(at::equal(back.masked_select(large), master.masked_select(large)));
}

TEST(SplitMaster, WhatOverflowsBecomesInfinityAndNanStaysNan) {
  const at::Tensor master = at::tensor({70000.0F, -70000.0F, std::numeric_limits<float>::quiet_NaN()});
  const at::Tensor weight = at::empty({3}, at::kHalf);
  const at::Tensor residual = at::empty({3}, at::kShort);
  split_master(master, weight, residual);
  const at::Tensor back = join_master(weight, residual);
  EXPECT_EQ(back[0].item<float>(), std::numeric_limits<float>::infinity());
  EXPECT_EQ(back[1].item<float>(), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(back[2].item<float>()));
}

TEST(SplitMaster, Fp32NeedsNoResidual) {
  const at::Tensor master = at::randn({9});
  const at::Tensor weight = at::empty({9});
  split_master(master, weight, {});
  EXPECT_TRUE(at::equal(join_master(weight, {}), master));
}

}  // namespace
}  // namespace ebb::numerics
