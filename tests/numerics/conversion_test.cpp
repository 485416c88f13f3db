// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "numerics/cpu/kernels.h"
#include "numerics/cpu/scalar.h"

namespace ebb::numerics::cpu {
namespace {

std::vector<const Kernels*> sets() {
  std::vector<const Kernels*> all{&scalar_kernels()};
  for (const Kernels* set : {avx2_kernels(), avx512_kernels()})
    if (set != nullptr) all.push_back(set);
  return all;
}

TEST(Conversion, EveryHalfGoesToItsValueAndBack) {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  for (const Kernels* set : sets()) {
    SCOPED_TRACE(set->name);
    std::vector<float> values(halves.size());
    std::vector<std::uint16_t> back(halves.size());
    set->to_float(Dtype::fp16, halves.data(), values.data(), 65536);
    set->from_float(Dtype::fp16, values.data(), back.data(), 65536);
    for (std::size_t i = 0; i < halves.size(); ++i) {
      const int exponent = static_cast<int>((i >> 10) & 31);
      const double mantissa = static_cast<double>(i & 1023);
      if (exponent == 31) {
        ASSERT_EQ(std::isnan(values[i]), mantissa != 0) << i;
        if (mantissa != 0) continue;
      } else {
        const double size =
            exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
        ASSERT_EQ(static_cast<double>(values[i]), (i & 0x8000) != 0 ? -size : size) << i;
      }
      ASSERT_EQ(back[i], halves[i]) << i;
    }
  }
}

// Both dtypes, all exponents, with mantissas around every rounding boundary.
TEST(Conversion, TheSetsRoundAlike) {
  std::vector<float> values;
  for (std::uint32_t high = 0; high < 65536; ++high)
    for (const std::uint32_t low : {0x0000U, 0x0001U, 0x0fffU, 0x1000U, 0x1001U, 0x1fffU, 0x3000U, 0x7fffU,
                                    0x8000U, 0x8001U, 0xf000U, 0xffffU})
      values.push_back(float_of((high << 16) | low));
  const auto n = static_cast<std::int64_t>(values.size());
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    std::vector<std::uint16_t> expected(values.size());
    scalar_kernels().from_float(dtype, values.data(), expected.data(), n);
    for (const Kernels* set : sets()) {
      SCOPED_TRACE(set->name);
      std::vector<std::uint16_t> got(values.size());
      set->from_float(dtype, values.data(), got.data(), n);
      for (std::size_t i = 0; i < got.size(); ++i)
        ASSERT_EQ(got[i], expected[i]) << std::hex << bits_of(values[i]);
    }
  }
}

TEST(Conversion, TiesGoToEvenAndLargeValuesToInfinity) {
  EXPECT_EQ(float_to_fp16(1.0F + 0x1p-11F), float_to_fp16(1.0F));
  EXPECT_EQ(fp16_to_float(float_to_fp16(1.0F + 0x1.8p-10F)), 1.0F + 0x1p-9F);
  EXPECT_EQ(fp16_to_float(float_to_fp16(65519.0F)), 65504.0F);
  EXPECT_TRUE(std::isinf(fp16_to_float(float_to_fp16(65520.0F))));
  EXPECT_EQ(fp16_to_float(float_to_fp16(0x1p-25F)), 0.0F);
  EXPECT_EQ(fp16_to_float(float_to_fp16(0x1.8p-25F)), 0x1p-24F);
}

TEST(Conversion, LengthsThatAreNoMultipleOfAVectorStayWithinTheirBounds) {
  for (const Kernels* set : sets()) {
    SCOPED_TRACE(set->name);
    for (std::int64_t n = 0; n < 40; ++n) {
      std::vector<std::uint16_t> in(64, 0x3c00);
      std::vector<float> out(64, -1.0F);
      set->to_float(Dtype::fp16, in.data(), out.data(), n);
      for (std::int64_t i = 0; i < 64; ++i) ASSERT_EQ(out[static_cast<std::size_t>(i)], i < n ? 1.0F : -1.0F);
      std::vector<float> ones(64, 1.0F);
      std::vector<std::uint16_t> halves(64, 7);
      set->from_float(Dtype::fp16, ones.data(), halves.data(), n);
      for (std::int64_t i = 0; i < 64; ++i)
        ASSERT_EQ(halves[static_cast<std::size_t>(i)], i < n ? 0x3c00 : 7);
    }
  }
}

}  // namespace
}  // namespace ebb::numerics::cpu
