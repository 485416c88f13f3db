// SPDX-License-Identifier: Apache-2.0
// Where gradients meet, backward on the meta device takes as many bytes as on the CPU.
#include "memory/in_place_gradient_sums.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <optional>

#include "memory/dry_pages.h"
#include "memory/installed_ledger.h"
#include "memory/meta_account.h"

namespace ebb::memory {
namespace {

constexpr auto kHost = Ledger::Location::host;
constexpr std::int64_t kElements = 1000, kBytes = 4 * kElements;

using LossOf = std::function<at::Tensor(const at::Tensor&)>;

// The bytes that backward has at most, beside those that live when it begins.
std::int64_t backward_bytes(Ledger& ledger, c10::DeviceType device, const LossOf& loss_of) {
  const at::Tensor x = at::ones({kElements}, at::TensorOptions().device(device)).requires_grad_(true);
  const at::Tensor loss = loss_of(x);
  ledger.reset_peaks();
  const std::int64_t before = ledger.live_total(kHost);
  loss.backward();
  return ledger.peak_total(kHost) - before;
}

std::int64_t on_cpu(const LossOf& loss_of) {
  return backward_bytes(the_test_ledger(), at::kCPU, loss_of);
}

std::int64_t on_meta(const LossOf& loss_of, bool in_place = true) {
  Ledger ledger;
  DryPages pages;
  const MetaAccount account(ledger, pages);
  std::optional<InPlaceGradientSums> sums;
  if (in_place) sums.emplace();
  return backward_bytes(ledger, at::kMeta, loss_of);
}

at::Tensor of_parameter(const at::Tensor& x) {
  return (x.neg() + x.neg()).sum();
}

at::Tensor of_residual(const at::Tensor& x) {
  const at::Tensor h = x.exp();
  return (h + h.sin().sin()).sin().sum();
}

// Its backward function adds two temporary tensors, which makes a third on each device.
struct Adds : torch::autograd::Function<Adds> {
  static at::Tensor forward(torch::autograd::AutogradContext* /*context*/, const at::Tensor& x) {
    return x.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* /*context*/,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor twice = gradients[0].clone(), thrice = gradients[0].clone();
    return {twice + thrice};
  }
};

at::Tensor of_function_that_adds(const at::Tensor& x) {
  return Adds::apply(x.sin()).sum();
}

// Its backward function runs a backward of its own, in which two gradients meet.
struct Nests : torch::autograd::Function<Nests> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    return x.sin() + x.cos();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list gradients) {
    const at::AutoGradMode enabled(true);
    const at::Tensor x = ctx->get_saved_variables()[0].detach().requires_grad_(true);
    return torch::autograd::grad({x.sin() + x.cos()}, {x}, {gradients[0]});
  }
};

at::Tensor of_nested_backward(const at::Tensor& x) {
  return Nests::apply(x.exp()).sum();
}

TEST(InPlaceGradientSums, TakeAsMuchAsOnTheCpu) {
  for (const auto& loss_of : {of_parameter, of_residual, of_function_that_adds, of_nested_backward})
    EXPECT_EQ(on_meta(loss_of), on_cpu(loss_of));
}

TEST(InPlaceGradientSums, SaveOneTensorOfThreeWhereTwoUsesOfAParameterMeet) {
  EXPECT_EQ(on_meta(of_parameter, false) - on_meta(of_parameter, true), kBytes);
}

TEST(InPlaceGradientSums, LeaveTheSumsOfOtherRunsAsTheyWere) {
  const std::int64_t before = on_meta(of_parameter, false);
  (void)on_meta(of_parameter, true);
  EXPECT_EQ(on_meta(of_parameter, false), before);
}

}  // namespace
}  // namespace ebb::memory
