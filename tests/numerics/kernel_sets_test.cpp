// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "numerics/cpu/kernels.h"
#include "numerics/cpu/scalar.h"

// The vector set gives the bits of the scalar set.
namespace ebb::numerics::cpu {
namespace {

constexpr std::int64_t kCount = 1237;

std::vector<float> noise(std::size_t n, unsigned seed, float size = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, size);
  std::vector<float> values(n);
  for (float& v : values) v = normal(generator);
  return values;
}

std::vector<std::uint16_t> half_noise(std::size_t n, unsigned seed, float size = 1) {
  std::vector<std::uint16_t> out(n);
  const auto values = noise(n, seed, size);
  scalar_kernels().from_float(Dtype::fp16, values.data(), out.data(), static_cast<std::int64_t>(n));
  return out;
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

struct VectorSet {
  const char* name;
  const Kernels* (*get)();
};

class KernelSets : public testing::TestWithParam<VectorSet> {
 protected:
  void SetUp() override {
    if (GetParam().get() == nullptr) GTEST_SKIP() << "this processor has no " << GetParam().name;
  }
  const Kernels& plain = scalar_kernels();
  static const Kernels& vectors() { return *GetParam().get(); }
};
INSTANTIATE_TEST_SUITE_P(Vectors, KernelSets,
                         testing::Values(VectorSet{"AVX2", avx2_kernels},
                                         VectorSet{"AVX512", avx512_kernels}),
                         [](const auto& info) { return info.param.name; });

// All results of the loops of sequence models as floats, one after another.
TEST_P(KernelSets, SequenceLoops) {
  constexpr std::int64_t kRows = 5, kColumns = 613;  // longer than a block, and no multiple of a vector
  constexpr std::int64_t kAll = kRows * kColumns;
  const auto run = [&](const Kernels& set, Dtype dtype) {
    const auto as_kind = [&](unsigned seed) {
      const auto values = noise(kAll, seed);
      std::vector<float> out(kAll);  // large enough for any dtype
      set.from_float(dtype, values.data(), out.data(), kAll);
      return out;
    };
    std::vector<float> all;
    const auto take = [&](const std::vector<float>& values) {
      all.insert(all.end(), values.begin(), values.end());
    };
    const auto x = as_kind(1), dy = as_kind(2), w = noise(kColumns, 3), b = noise(kColumns, 4);
    std::vector<float> high(kAll), low(kAll);
    set.split_sum(dtype, x.data(), nullptr, dy.data(), high.data(), low.data(), kAll);
    for (const auto& values : {high, low}) take(values);
    set.split_sum(dtype, high.data(), low.data(), x.data(), high.data(), low.data(), kAll);
    for (const auto& values : {high, low}) take(values);
    for (const auto& [rms, part] : {std::pair<bool, const void*>{false, nullptr},
                                    {true, nullptr},
                                    {false, low.data()},
                                    {true, low.data()}}) {
      std::vector<float> y(kAll), dx(kAll), mean(kRows), rstd(kRows), dw(kColumns), db(kColumns);
      set.norm(dtype, x.data(), part, w.data(), rms ? nullptr : b.data(), 1e-5F, kRows, kColumns, y.data(),
               rms ? nullptr : mean.data(), rstd.data());
      set.norm_gradient(dtype, dy.data(), x.data(), part, w.data(), rms ? nullptr : mean.data(), rstd.data(),
                        kRows, kColumns, dx.data(), dw.data(), rms ? nullptr : db.data());
      for (const auto& values : {y, dx, mean, rstd, dw, db}) take(values);
    }
    std::vector<float> out(kAll), d_gate(kAll), d_up(kAll);
    set.sum(dtype, x.data(), dy.data(), out.data(), kAll);
    take(out);
    set.swiglu(dtype, x.data(), dy.data(), out.data(), kAll);
    set.swiglu_gradient(dtype, dy.data(), x.data(), dy.data(), d_gate.data(), d_up.data(), kAll);
    for (const auto& values : {out, d_gate, d_up}) take(values);
    auto p = noise(kAll, 5);
    const auto dp = noise(kAll, 6), angles = noise(kAll, 7);
    take({set.reduce_max(p.data(), kAll), set.dot(p.data(), dp.data(), kAll),
          set.exponentials(p.data(), kAll, 0.125F, 0.5F)});
    set.softmax_gradient(dp.data(), 0.25F, 0.125F, p.data(), kAll);
    set.multiply(1.7F, p.data(), kAll);
    set.rotate(angles.data(), dp.data(), p.data(), kAll - 1);
    take(p);
    return all;
  };
  for (const Dtype dtype : {Dtype::fp32, Dtype::fp16, Dtype::bf16})
    EXPECT_TRUE(same(run(plain, dtype), run(vectors(), dtype))) << "dtype " << static_cast<int>(dtype);
}

TEST_P(KernelSets, AdamW) {
  for (const Dtype dtype : {Dtype::fp32, Dtype::fp16, Dtype::bf16}) {
    const auto run = [&](const Kernels& set) {
      auto master = noise(kCount, 1, 0.05F);
      std::vector<float> weight(kCount);  // large enough for any dtype
      std::vector<std::int16_t> residual(kCount);
      set.split(dtype, master.data(), weight.data(), residual.data(), kCount);
      auto m = noise(kCount, 2, 0.01F);
      auto v = noise(kCount, 3, 0.01F);
      for (float& x : v) x = std::fabs(x);
      const auto g = half_noise(kCount, 4);
      for (int t = 0; t < 3; ++t)
        set.adamw(dtype, weight.data(), dtype == Dtype::fp32 ? nullptr : residual.data(), Dtype::fp16,
                  g.data(), m.data(), v.data(), {0.9999F, 0.1F, 0.999F, 0.001F, 1e-3F, 1.7F, 1e-8F, 0.5F},
                  kCount);
      set.join(dtype, weight.data(), residual.data(), master.data(), kCount);
      master.insert(master.end(), m.begin(), m.end());
      master.insert(master.end(), v.begin(), v.end());
      return master;
    };
    EXPECT_TRUE(same(run(plain), run(vectors())));
  }
}

TEST_P(KernelSets, Sums) {
  const auto g = half_noise(kCount, 5);
  const std::vector<std::uint8_t> targets(kCount, 77);
  double a = 0;
  double b = 0;
  std::int64_t bad_a = 0;
  std::int64_t bad_b = 0;
  plain.stats(Dtype::fp16, g.data(), kCount, &a, &bad_a);
  vectors().stats(Dtype::fp16, g.data(), kCount, &b, &bad_b);
  EXPECT_EQ(a, b);
  EXPECT_EQ(bad_a, bad_b);
  EXPECT_EQ(plain.bernoulli(Dtype::fp16, g.data(), targets.data(), kCount),
            vectors().bernoulli(Dtype::fp16, g.data(), targets.data(), kCount));
  EXPECT_EQ(plain.kl(Dtype::fp16, g.data(), g.data(), kCount),
            vectors().kl(Dtype::fp16, g.data(), g.data(), kCount));
}

TEST_P(KernelSets, FinishAndItsGradient) {
  for (const Activation act :
       {Activation::none, Activation::relu, Activation::leaky_relu, Activation::silu}) {
    const auto run = [&](const Kernels& set) {
      auto values = noise(kCount * 3, 6, 4);
      const auto bias = noise(3, 7);
      std::vector<std::uint16_t> out(kCount * 3);
      set.finish(Dtype::fp16, values.data(), bias.data(), act, kCount, 3, out.data(), nullptr);
      auto gradient = noise(kCount, 8);
      set.activation_gradient(act, values.data(), gradient.data(), kCount);
      for (const float g : gradient) out.push_back(float_to_fp16(g));
      return out;
    };
    EXPECT_TRUE(same(run(plain), run(vectors())));
  }
}

TEST_P(KernelSets, RowSumsAndTransposition) {
  const auto values = noise(37 * 29, 9);
  for (const std::int64_t columns : {std::int64_t{1}, std::int64_t{29}}) {
    std::vector<float> a(29, 0.0F);
    std::vector<float> b(29, 0.0F);
    plain.add_rows(values.data(), 37 * 29 / columns, columns, a.data());
    vectors().add_rows(values.data(), 37 * 29 / columns, columns, b.data());
    EXPECT_TRUE(same(a, b));
  }
  for (const Kernels* set : {&plain, &vectors()}) {
    std::vector<float> out(values.size());
    set->transpose(values.data(), 37, 29, out.data());
    for (std::size_t r = 0; r < 37; ++r)
      for (std::size_t c = 0; c < 29; ++c) ASSERT_EQ(out[c * 37 + r], values[r * 29 + c]);
  }
}

}  // namespace
}  // namespace ebb::numerics::cpu
