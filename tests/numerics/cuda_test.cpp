// SPDX-License-Identifier: Apache-2.0
// On a GPU: compares every op, forward and backward, with the same op on the CPU in fp32 on the same rounded
// values.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <vector>

#include "base/error.h"
#include "memory/cuda_device.h"
#include "memory/cuda_library.h"
#include "memory/installed_ledger.h"
#include "numerics/close.h"
#include "numerics/ops.h"
#include "numerics/update.h"

namespace ebb::numerics {
namespace {

constexpr at::ScalarType kDtypes[] = {at::kFloat, at::kHalf, at::kBFloat16};

class Cuda : public ::testing::Test {
 protected:
  void SetUp() override {
    static const bool open = [] {
      if (!memory::CudaLibrary::device_present(&why_not_)) return false;
      memory::CudaLibrary::open();
      memory::the_test_ledger();
      memory::use_device(0);
      at::globalContext().setAllowTF32CuBLAS(false);
      at::globalContext().setAllowTF32CuDNN(false);
      return true;
    }();
    if (!open) GTEST_SKIP() << why_not_;
    at::manual_seed(11);
  }
  static inline std::string why_not_;
};

using Tensors = std::vector<at::Tensor>;
using Op = std::function<Tensors(const Tensors&)>;

at::Tensor values(std::vector<std::int64_t> shape, double size = 1, double shift = 0) {
  return at::randn(shape) * size + shift;
}

// Rounds floating-point inputs to `dtype`, with gradients; copies others. `slack`: allowed roundings of one
// number.
void expect_as_on_the_cpu(at::ScalarType dtype, const Tensors& inputs, const Op& op, double slack = 2) {
  Tensors there, here;
  for (const at::Tensor& input : inputs) {
    const bool floating = input.defined() && input.is_floating_point();
    if (!floating) {
      there.push_back(input.defined() ? input.to(at::kCUDA) : input);
      here.push_back(input);
      continue;
    }
    const at::Tensor value = input.detach().to(dtype);
    there.push_back(value.to(at::kCUDA).requires_grad_());
    here.push_back(value.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).requires_grad_());
  }
  const Tensors y = op(there), expected = op(here);
  ASSERT_EQ(y.size(), expected.size());
  at::Tensor loss, expected_loss;
  for (std::size_t i = 0; i < y.size(); ++i) {
    ASSERT_TRUE(y[i].is_cuda());
    ASSERT_EQ(y[i].sizes(), expected[i].sizes());
    EXPECT_LE(relative_error(y[i].cpu(), expected[i]), slack * rounding(dtype)) << "result " << i;
    const at::Tensor dy = at::randn(y[i].sizes()).to(y[i].scalar_type());
    y[i].backward(dy.to(at::kCUDA), /*keep_graph=*/true);
    expected[i].backward(dy.to(at::kFloat), /*keep_graph=*/true);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!here[i].defined() || !here[i].grad().defined()) continue;
    ASSERT_TRUE(there[i].grad().defined()) << "gradient " << i;
    EXPECT_LE(relative_error(there[i].grad().cpu(), here[i].grad()), 2 * slack * rounding(dtype))
        << "gradient " << i;
  }
}

TEST_F(Cuda, LinearWithEachActivation) {
  for (const auto dtype : kDtypes)
    for (const auto act :
         {Activation::none, Activation::relu, Activation::leaky_relu, Activation::silu, Activation::gelu})
      for (const std::int64_t out : {5, 64, 300}) {
        SCOPED_TRACE(testing::Message()
                     << c10::toString(dtype) << " " << static_cast<int>(act) << " " << out);
        const Op op = [&](const Tensors& t) { return Tensors{linear(t[0], t[1], t[2], act)}; };
        expect_as_on_the_cpu(dtype, {values({3, 67, 40}), values({out, 40}, 0.3), values({out})}, op);
        expect_as_on_the_cpu(dtype, {values({130, 40}), values({out, 40}, 0.3), {}}, op);
      }
}

TEST_F(Cuda, NormsOfRowsAndOfSums) {
  for (const auto dtype : kDtypes)
    for (const std::int64_t columns : {7, 384, 768, 1500, 1600, 4096, 8192}) {
      SCOPED_TRACE(testing::Message() << c10::toString(dtype) << " " << columns);
      const at::Tensor x = values({2, 67, columns}, 2, 0.5), more = values({2, 67, columns}),
                       w = values({columns}), b = values({columns});
      expect_as_on_the_cpu(dtype, {x, w, b},
                           [](const Tensors& t) { return Tensors{layer_norm(t[0], t[1], t[2], 1e-5)}; });
      expect_as_on_the_cpu(dtype, {x, w},
                           [](const Tensors& t) { return Tensors{rms_norm(t[0], t[1], 1e-6)}; });
      // The sum is rounded before the norm, but not in the fp32 twin: 4 roundings.
      expect_as_on_the_cpu(
          dtype, {x, more, w, b},
          [](const Tensors& t) {
            const auto [sum, norm] = add_layer_norm(t[0], t[1], t[2], t[3], 1e-5);
            return Tensors{sum, norm};
          },
          4);
      expect_as_on_the_cpu(
          dtype, {x, more, w},
          [](const Tensors& t) {
            const auto [sum, norm] = add_rms_norm(t[0], t[1], t[2], 1e-6);
            return Tensors{sum, norm};
          },
          4);
      // Two parts twice.
      expect_as_on_the_cpu(
          dtype, {x, more, w, b},
          [](const Tensors& t) {
            const auto first = split_add_layer_norm(t[0], {}, t[1], t[2], t[3], 1e-5);
            const auto second = split_add_rms_norm(first.sum, first.low, t[1], t[2], 1e-6);
            return Tensors{second.sum, second.norm};
          },
          4);
    }
}

TEST_F(Cuda, ManyRowsAreSummedWhole) {
  for (const auto dtype : kDtypes)
    expect_as_on_the_cpu(dtype, {values({5000, 72}), values({72}), values({72})},
                         [](const Tensors& t) { return Tensors{layer_norm(t[0], t[1], t[2], 1e-5)}; });
}

TEST_F(Cuda, SwiGlu) {
  for (const auto dtype : kDtypes)
    for (const std::int64_t columns : {3, 200})
      expect_as_on_the_cpu(dtype, {values({67, columns}, 3), values({67, columns})},
                           [](const Tensors& t) { return Tensors{swiglu(t[0], t[1])}; });
}

TEST_F(Cuda, Embedding) {
  for (const auto dtype : kDtypes)
    expect_as_on_the_cpu(dtype, {at::randint(0, 50, {4, 33}, at::kInt), values({50, 24})},
                         [](const Tensors& t) { return Tensors{embed(t[0], t[1])}; });
}

TEST_F(Cuda, AttentionOfBothKinds) {
  struct Case {
    std::int64_t batch, length;
    AttentionHeads heads;
    std::int64_t width;
    bool rope;
  };
  for (const auto dtype : kDtypes)
    for (const Case& c : {Case{2, 128, {4, 4}, 64, false}, Case{2, 67, {6, 2}, 32, true},
                          Case{1, 200, {3, 3}, 128, true}, Case{3, 1, {2, 1}, 16, false}}) {
      SCOPED_TRACE(testing::Message() << c10::toString(dtype) << " " << c.length << " " << c.width);
      const at::Tensor rope = c.rope ? rope_table(c.length, c.width, 10000) : at::Tensor();
      expect_as_on_the_cpu(
          dtype, {values({c.batch, c.length, (c.heads.query + 2 * c.heads.key) * c.width})},
          [&](const Tensors& t) {
            return Tensors{attention(t[0], c.heads, rope.defined() ? rope.to(t[0].device()) : rope)};
          },
          4);
    }
}

TEST_F(Cuda, AttentionWithinDocuments) {
  const at::Tensor tokens = at::randint(0, 40, {3, 150}, at::kLong);  // token 3 ends about four a row
  for (const auto dtype : {at::kHalf, at::kBFloat16})
    for (const bool turned : {false, true}) {
      SCOPED_TRACE(testing::Message() << c10::toString(dtype) << " " << turned);
      const at::Tensor rope = turned ? rope_table(150, 32, 10000) : at::Tensor();
      expect_as_on_the_cpu(
          dtype, {values({3, 150, (4 + 2 * 2) * 32})},
          [&](const Tensors& t) {
            const at::Device device = t[0].device();
            return Tensors{
                attention(t[0], {4, 2}, turned ? rope.to(device) : rope, documents_of(tokens, 3, device))};
          },
          4);
    }
  EXPECT_THROW(attention(at::ones({3, 150, 48}, at::kCUDA), {1, 1}, {}, documents_of(tokens, 3, at::kCUDA)),
               Error);
}

TEST_F(Cuda, HeadAndItsLoss) {
  for (const auto dtype : kDtypes)
    for (const std::int64_t vocabulary : {7, 257, 1000, 50257})
      for (const double z : {0.0, 1e-3}) {
        SCOPED_TRACE(testing::Message() << c10::toString(dtype) << " " << vocabulary << " " << z);
        at::Tensor targets = at::randint(0, vocabulary, {67}, at::kLong);
        targets[3] = kIgnoreIndex;
        // Logits are rounded to the dtype before their softmax, so its gradient is off by a few roundings.
        expect_as_on_the_cpu(
            dtype, {values({67, 64}), values({vocabulary, 64}, 0.1), targets},
            [&](const Tensors& t) { return Tensors{head_cross_entropy(t[0], t[1], t[2], z)}; }, 8);
      }
}

// Four blocks of rows, whose gradients of the weight are summed. Only the first 100 tokens are targets, so
// the other rows of that gradient come from the softmax alone.
TEST_F(Cuda, HeadInSeveralBlocks) {
  for (const auto dtype : kDtypes) {
    const at::Tensor h = values({1500, 32}).to(dtype), w = values({3001, 32}, 0.1).to(dtype),
                     targets = at::randint(0, 100, {1500}, at::kLong);
    const auto run = [&](at::Device device, at::ScalarType type) {
      const at::Tensor x = h.to(device, type).detach().requires_grad_(),
                       y = w.to(device, type).detach().requires_grad_();
      const at::Tensor loss = head_cross_entropy(x, y, targets.to(device));
      (loss * 0.01).backward();
      return Tensors{loss.detach().cpu(), x.grad().cpu(), y.grad().narrow(0, 0, 100).cpu(),
                     y.grad().narrow(0, 100, 2901).cpu()};
    };
    const Tensors found = run(at::kCUDA, dtype), expected = run(at::kCPU, at::kFloat);
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_LE(relative_error(found[i], expected[i]), (i == 0 ? 1 : 8) * rounding(dtype))
          << c10::toString(dtype) << " " << i;
  }
}

TEST_F(Cuda, NanIsNotHiddenByRelu) {
  const at::Tensor x = at::full({1, 4}, NAN, at::TensorOptions().device(at::kCUDA));
  EXPECT_TRUE(linear(x, at::ones({1, 4}, x.options()), at::zeros({1}, x.options()), Activation::relu)
                  .isnan()
                  .all()
                  .item<bool>());
}

TEST_F(Cuda, LossesOfAVae) {
  for (const auto dtype : kDtypes) {
    const at::Tensor images = at::randint(0, 256, {8, 1, 28, 28}, at::kByte);
    expect_as_on_the_cpu(dtype, {values({8, 1, 28, 28}, 2), images},
                         [](const Tensors& t) { return Tensors{bernoulli_nll_sum(t[0], t[1])}; });
    expect_as_on_the_cpu(dtype, {values({8, 20}), values({8, 20}, 0.3)},
                         [](const Tensors& t) { return Tensors{gaussian_kl_sum(t[0], t[1])}; });
    expect_as_on_the_cpu(dtype, {values({8, 20}), values({8, 20}, 0.3)},
                         [](const Tensors& t) { return Tensors{reparameterize(t[0], t[1], 5, 1000)}; });
    EXPECT_TRUE(at::equal(to_unit_range(images.to(at::kCUDA), dtype).cpu(), to_unit_range(images, dtype)));
  }
}

TEST_F(Cuda, NormalNumbersAreThoseOfTheCpu) {
  const at::Tensor here = philox_normal(100, 33, 7, 2, 12345, at::kFloat, at::kCPU),
                   there = philox_normal(100, 33, 7, 2, 12345, at::kFloat, at::kCUDA).cpu();
  EXPECT_LE(relative_error(there, here), 1e-5);
}

// An optimizer state with the same values on both devices.
struct State {
  at::Tensor weight, residual, m, v;
  State(const at::Tensor& master, at::ScalarType dtype)
      : weight(at::empty({master.numel()}, master.options().dtype(dtype))),
        m(at::zeros_like(master)),
        v(at::zeros_like(master)) {
    if (dtype != at::kFloat) residual = at::empty({master.numel()}, master.options().dtype(at::kShort));
    split_master(master, weight, residual);
  }
};

TEST_F(Cuda, UpdatesAreTheCpusToTheBit) {
  for (const auto dtype : kDtypes)
    for (const auto gradient_dtype : {dtype, at::kFloat}) {
      SCOPED_TRACE(testing::Message() << c10::toString(dtype) << " " << c10::toString(gradient_dtype));
      std::vector<AdamWRange> here, there;
      for (int i = 0; i < 60; ++i) {  // more than fit in one launch
        const at::Tensor master = values({i == 0 ? 150001 : 100 + i}, 0.1);
        const State a(master, dtype), b(master.to(at::kCUDA), dtype);
        const at::Tensor grad = values({master.numel()}).to(gradient_dtype);
        const double decay = i % 2 == 0 ? 0.1 : 0.0;
        here.push_back({a.weight, a.residual, grad, a.m, a.v, decay});
        // A gradient begins at any element of its bucket.
        const at::Tensor bucket = at::empty({master.numel() + 3}, grad.options().device(at::kCUDA));
        const at::Tensor its = bucket.narrow(0, i % 4, master.numel());
        its.copy_(grad);
        there.push_back({b.weight, b.residual, its, b.m, b.v, decay});
      }
      for (int step = 1; step <= 3; ++step) {
        const AdamW settings{.lr = 3e-3, .step = step, .gradient_scale = 0.125};
        adamw_update(here, settings);
        adamw_update(there, settings);
      }
      for (std::size_t i = 0; i < here.size(); ++i) {
        const at::Tensor ours = join_master(there[i].weight, there[i].residual).cpu();
        EXPECT_TRUE(at::equal(bits(ours), bits(join_master(here[i].weight, here[i].residual))))
            << "range " << i;
        EXPECT_TRUE(at::equal(bits(there[i].m.cpu()), bits(here[i].m))) << "range " << i;
        EXPECT_TRUE(at::equal(bits(there[i].v.cpu()), bits(here[i].v))) << "range " << i;
      }
    }
}

TEST_F(Cuda, GradientStatsOfManyRanges) {
  for (const auto dtype : kDtypes) {
    Tensors here, there;
    for (int i = 0; i < 200; ++i) here.push_back(values({i == 7 ? 300000 : 1 + 3 * i}).to(dtype));
    here[5][2] = INFINITY;
    here[5][3] = NAN;
    for (const at::Tensor& t : here) there.push_back(t.to(at::kCUDA));
    const at::Tensor expected = gradient_stats(here), found = gradient_stats(there).cpu();
    EXPECT_LE(((found - expected).abs() / (expected.abs() + 1e-30)).max().item<double>(), 1e-9);
    EXPECT_EQ(found[5][1].item<double>(), 2);
  }
}

}  // namespace
}  // namespace ebb::numerics
