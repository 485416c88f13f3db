// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/optim/adamw.h>

#include "base/error.h"
#include "numerics/close.h"
#include "numerics/update.h"

namespace ebb::numerics {
namespace {

constexpr std::int64_t kCount = 150001;

struct State {
  at::Tensor weight, residual, m, v;
  State(const at::Tensor& master, at::ScalarType dtype)
      : weight(at::empty({master.numel()}, dtype)),
        m(at::zeros({master.numel()})),
        v(at::zeros({master.numel()})) {
    if (dtype != at::kFloat) residual = at::empty({master.numel()}, at::kShort);
    split_master(master, weight, residual);
  }
  [[nodiscard]] at::Tensor master() const { return join_master(weight, residual); }
};

TEST(AdamWUpdate, AgreesWithTheFrameworksAdamW) {
  at::manual_seed(7);
  const at::Tensor start = at::randn({kCount}) * 0.1;
  at::Tensor reference = start.clone().requires_grad_();
  torch::optim::AdamW framework({reference}, torch::optim::AdamWOptions(3e-3).weight_decay(0.1));
  State ours(start, at::kFloat);
  for (int step = 1; step <= 20; ++step) {
    const at::Tensor grad = at::randn({kCount});
    reference.mutable_grad() = grad.clone();
    framework.step();
    adamw_update(ours.weight, {}, grad * 8, ours.m, ours.v,
                 {.lr = 3e-3, .weight_decay = 0.1, .step = step, .gradient_scale = 0.125});
  }
  EXPECT_LE((ours.weight - reference.detach()).abs().max().item<double>(), 4e-7);
}

// If fp16 holds the master exactly, the split master has the bits of a separate fp32 master.
TEST(AdamWUpdate, SplitMastersStepLikeFp32Ones) {
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    at::manual_seed(8);
    const at::Tensor start =
        at::randn({kCount}).sign() * (at::rand({kCount}) + 0.5);  // far from 2^-16 for some steps
    State split(start, dtype);
    State whole(start, at::kFloat);
    for (int step = 1; step <= 10; ++step) {
      const at::Tensor grad = at::randn({kCount}).to(at::kHalf);
      const AdamW settings{.lr = 1e-2, .weight_decay = 0.1, .step = step};
      adamw_update(split.weight, split.residual, grad, split.m, split.v, settings);
      adamw_update(whole.weight, {}, grad, whole.m, whole.v, settings);
    }
    EXPECT_TRUE(at::equal(bits(split.master()), bits(whole.weight)));
    EXPECT_TRUE(at::equal(bits(split.v), bits(whole.v)));
  }
}

TEST(AdamWUpdate, GivesTheSameBitsOnAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  std::vector<at::Tensor> results;
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    at::manual_seed(9);
    State s(at::randn({kCount}), at::kHalf);
    const at::Tensor grad = at::randn({kCount});
    for (int step = 1; step <= 3; ++step)
      adamw_update(s.weight, s.residual, grad, s.m, s.v, {.weight_decay = 0.1, .step = step});
    results.push_back(s.master());
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(bits(results[0]), bits(results[1])));
  EXPECT_TRUE(at::equal(bits(results[0]), bits(results[2])));
}

TEST(AdamWUpdate, RefusesA16BitWeightWithoutResidualAndStepZero) {
  const at::Tensor weight = at::zeros({4}, at::kHalf);
  const at::Tensor f = at::zeros({4});
  EXPECT_THROW(adamw_update(weight, {}, f, f, f, {}), Error);
  EXPECT_THROW(adamw_update(f.clone(), {}, f, f.clone(), f.clone(), {.step = 0}), Error);
  EXPECT_THROW(adamw_update(f.clone(), {}, at::zeros({5}), f.clone(), f.clone(), {}), Error);
}

}  // namespace
}  // namespace ebb::numerics
