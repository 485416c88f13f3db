// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.h"
#include "memory/dry_cuda_allocator.h"
#include "memory/meta_account.h"
#include "numerics/dry_gpu.h"
#include "numerics/ops.h"
#include "numerics/update.h"

namespace ebb::numerics {
namespace {

// The same calls on both devices: meta computes nothing, and has the shapes, dtypes and strides of the CPU.
std::vector<at::Tensor> forward_and_backward(at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kHalf).device(device);
  const auto leaf = [&](std::vector<std::int64_t> shape) {
    return at::empty(shape, options).zero_().requires_grad_();
  };
  const auto images = at::empty({3, 1, 28, 28}, options.dtype(at::kByte)).zero_();
  const auto w1 = leaf({8, 1, 4, 4});
  const auto b1 = leaf({8});
  const auto w2 = leaf({12, 8 * 14 * 14});
  const auto b2 = leaf({12});
  const auto w3 = leaf({6, 1, 28, 28});
  const auto b3 = leaf({1});
  const auto x = to_unit_range(images, at::kHalf);
  const auto h = conv2d(x, w1, b1, {2, 1}, Activation::relu);
  const auto s = linear(h.flatten(1), w2, b2, Activation::silu);
  const auto mu = s.slice(1, 0, 6);
  const auto logvar = s.slice(1, 6, 12);
  const auto z = reparameterize(mu, logvar, 1, 0);
  const auto logits = conv_transpose2d(z.view({3, 6, 1, 1}), w3, b3, {});
  const auto loss = bernoulli_nll_sum(logits, images) + gaussian_kl_sum(mu, logvar);
  loss.backward();
  return {x,
          h,
          s,
          z,
          logits,
          loss,
          w1.grad(),
          b1.grad(),
          w2.grad(),
          b2.grad(),
          w3.grad(),
          b3.grad(),
          philox_normal(2, 3, 1, 4, 0, at::kHalf, device)};
}

// `head_width`: GPUs have two kernels of attention for fp16, one for multiples of 8.
std::vector<at::Tensor> sequence_forward_and_backward(at::Device device, std::int64_t head_width = 4) {
  const auto options = at::TensorOptions().dtype(at::kHalf).device(device);
  const auto leaf = [&](std::vector<std::int64_t> shape) {
    return at::empty(shape, options).zero_().requires_grad_();
  };
  const auto tokens = at::empty({2, 5}, options.dtype(at::kLong)).zero_();
  const auto table = leaf({7, 8}), w = leaf({8}), b = leaf({8}), in = leaf({4 * head_width, 8}),
             out = leaf({8, 2 * head_width});
  const auto x = layer_norm(embed(tokens, table), w, b, 1e-5);
  const auto rope = rope_table(5, head_width, 10000).to(device);
  const auto a = linear(attention(linear(x, in, at::Tensor()), {2, 1}, rope), out, at::Tensor());
  const auto sum = add_layer_norm(a, x, w, b, 1e-5);
  const auto parts = split_add_rms_norm(sum.sum, sum.sum, sum.norm, w, 1e-5);
  const auto h = rms_norm(swiglu(parts.sum, parts.norm), w, 1e-5);
  const auto loss = head_cross_entropy(h.view({10, 8}), table, tokens.flatten());
  loss.backward();
  return {x, a, parts.low, h, loss, table.grad(), w.grad(), b.grad(), in.grad(), out.grad()};
}

// An R1 penalty through the ops that have derivatives of any order.
std::vector<at::Tensor> penalty(at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kHalf).device(device);
  const auto leaf = [&](std::vector<std::int64_t> shape) {
    return at::empty(shape, options).zero_().requires_grad_();
  };
  const auto x = leaf({3, 8, 16, 16}), w1 = leaf({8, 2, 3, 3}), b1 = leaf({8}), w2 = leaf({1, 8 * 64});
  const auto h = downsample2(conv2d(x, w1, b1, {1, 1, 4}, Activation::leaky_relu));
  const auto y = linear(downsample2(upsample2(h)).flatten(1), w2, at::Tensor());
  const auto gradient = torch::autograd::grad({y.sum()}, {x}, {}, true, true)[0];
  gradient.to(at::kFloat).square().sum().backward();
  return {h, y, gradient, w1.grad(), w2.grad()};
}

void expect_alike(const std::vector<at::Tensor>& meta, const std::vector<at::Tensor>& cpu) {
  ASSERT_EQ(meta.size(), cpu.size());
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_TRUE(meta[i].is_meta());
    EXPECT_EQ(meta[i].sizes(), cpu[i].sizes());
    EXPECT_EQ(meta[i].strides(), cpu[i].strides());
    EXPECT_EQ(meta[i].scalar_type(), cpu[i].scalar_type());
  }
}

TEST(Meta, GivesTheShapesDtypesAndStridesOfTheCpu) {
  auto cpu = forward_and_backward(at::kCPU);
  auto meta = forward_and_backward(at::kMeta);
  for (const auto& t : sequence_forward_and_backward(at::kCPU)) cpu.push_back(t);
  for (const auto& t : sequence_forward_and_backward(at::kMeta)) meta.push_back(t);
  for (const auto& t : penalty(at::kCPU)) cpu.push_back(t);
  for (const auto& t : penalty(at::kMeta)) meta.push_back(t);
  expect_alike(meta, cpu);
}

TEST(DryGpu, GivesTheShapesDtypesAndStridesOfTheCpu) {
  memory::Ledger ledger;
  memory::DryCudaAllocator segments;
  const memory::MetaAccount account(ledger, segments, memory::Ledger::Location::device);
  const DryGpu gpu(90);
  for (const std::int64_t head_width : {4, 8})
    expect_alike(sequence_forward_and_backward(at::kMeta, head_width),
                 sequence_forward_and_backward(at::kCPU, head_width));
  EXPECT_EQ(ledger.live_total(memory::Ledger::Location::device), 0);
  EXPECT_GT(ledger.run_peak_total(memory::Ledger::Location::device), 0);
  EXPECT_GT(segments.reserved(), 0);
}

TEST(DryGpu, RefusesOpsWithoutADryFormByName) {
  const DryGpu gpu(90);
  const auto of = [](std::vector<std::int64_t> shape) {
    return at::empty(shape, at::TensorOptions().dtype(at::kHalf).device(at::kMeta));
  };
  EXPECT_THROW((void)conv2d(of({1, 1, 8, 8}), of({1, 1, 3, 3}), at::Tensor(), ConvOptions{}),
               c10::NotImplementedError);
  EXPECT_THROW((void)upsample2(of({1, 1, 8, 8})), c10::NotImplementedError);
  EXPECT_THROW(DryGpu(90), Error) << "one at a time";
}

}  // namespace
}  // namespace ebb::numerics
