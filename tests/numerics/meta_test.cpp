#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "numerics/fronts.h"
#include "numerics/update.h"

namespace ebb::numerics {
namespace {

// The same calls on both devices; on meta nothing is computed, and shapes, dtypes and strides are those of
// the CPU.
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
  const auto h = conv2d(x, w1, b1, 2, 1, Activation::relu);
  const auto s = linear(h.flatten(1), w2, b2, Activation::silu);
  const auto mu = s.slice(1, 0, 6);
  const auto logvar = s.slice(1, 6, 12);
  const auto z = reparameterize(mu, logvar, 1, 0);
  const auto logits = conv_transpose2d(z.view({3, 6, 1, 1}), w3, b3, 1, 0);
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

TEST(Meta, GivesTheShapesDtypesAndStridesOfTheCpu) {
  const auto cpu = forward_and_backward(at::kCPU);
  const auto meta = forward_and_backward(at::kMeta);
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_TRUE(meta[i].is_meta());
    EXPECT_EQ(meta[i].sizes(), cpu[i].sizes());
    EXPECT_EQ(meta[i].strides(), cpu[i].strides());
    EXPECT_EQ(meta[i].scalar_type(), cpu[i].scalar_type());
  }
}

}  // namespace
}  // namespace ebb::numerics
