// SPDX-License-Identifier: Apache-2.0
#include "memory/cpu_allocator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <string>

#include "base/error.h"
#include "memory/buffer.h"
#include "memory/installed_ledger.h"

namespace ebb::memory {
namespace {

class CpuAllocator : public ::testing::Test {
 protected:
  Ledger& ledger_ = the_test_ledger();
  const std::int64_t before_ = ledger_.live_total(Ledger::Location::host);
  [[nodiscard]] std::int64_t grown() const { return ledger_.live_total(Ledger::Location::host) - before_; }
};

TEST_F(CpuAllocator, CountsTheRequestedBytesWhileATensorLives) {
  {
    const Tag tag(Class::data, "images");
    const at::Tensor images = at::empty({1001}, at::kByte);
    const at::Tensor view = images.slice(0, 10, 20);
    EXPECT_EQ(live(Class::data, "images"), 1001);
    EXPECT_EQ(grown(), 1001);
  }
  EXPECT_EQ(grown(), 0);
}

TEST_F(CpuAllocator, ABlockKeepsItsOwnerAfterTheTag) {
  at::Tensor moments;
  {
    const Tag tag(Class::optimizer, "moments");
    moments = at::zeros({256}, at::kFloat);
  }
  const Tag other(Class::workspace, "scratch");
  EXPECT_EQ(live(Class::optimizer, "moments"), 1024);
  moments = at::Tensor();
  EXPECT_EQ(live(Class::optimizer, "moments"), 0);
}

TEST_F(CpuAllocator, FollowsAStorageThatIsResized) {
  at::Tensor tensor = at::empty({100}, at::kByte);
  tensor.resize_({5000});
  EXPECT_EQ(grown(), 5000);
  tensor.storage().unsafeGetStorageImpl()->set_nbytes(0);
  tensor = at::Tensor();
  EXPECT_EQ(grown(), 0);
}

TEST_F(CpuAllocator, ATensorWithoutBytesIsNoBlock) {
  const at::Tensor none = at::empty({0}, at::kFloat);
  EXPECT_EQ(grown(), 0);
}

TEST_F(CpuAllocator, ForeignMemoryIsNotCounted) {
  std::array<float, 64> own{};
  const at::Tensor view = at::from_blob(own.data(), {64}, at::kFloat);
  EXPECT_EQ(grown(), 0);
  const at::Tensor copy = view.clone();
  EXPECT_EQ(grown(), 256);
}

TEST_F(CpuAllocator, HasTheRawInterface) {
  c10::Allocator* const allocator = c10::GetAllocator(c10::kCPU);
  void* const block = allocator->raw_allocate(300);
  EXPECT_EQ(grown(), 300);
  allocator->raw_deallocate(block);
  EXPECT_EQ(grown(), 0);
}

TEST_F(CpuAllocator, ClonesThroughTheAllocator) {
  c10::Allocator* const allocator = c10::GetAllocator(c10::kCPU);
  const std::array<char, 4> text{'e', 'b', 'b', 0};
  const c10::DataPtr copy = allocator->clone(text.data(), text.size());
  EXPECT_EQ(grown(), 4);
  EXPECT_STREQ(static_cast<const char*>(copy.get()), "ebb");
}

TEST_F(CpuAllocator, BackwardsTensorsBelongToTheTagItWasCalledUnder) {
  at::Tensor weight;
  {
    const Tag tag(Class::parameters, "decoder");
    weight = at::ones({16, 16}, at::kFloat).requires_grad_();
  }
  at::Tensor loss;
  {
    const Tag tag(Class::activations, "decoder");
    loss = at::ones({4, 16}).mm(weight).pow(2).sum();
  }
  EXPECT_EQ(live(Class::parameters, "decoder"), 1024);
  EXPECT_EQ(live(Class::activations, "decoder"), 256 + 256 + 4);  // input, product, loss
  {
    const Tag tag(Class::gradients, "backward");
    loss.backward();
  }
  EXPECT_EQ(live(Class::activations, "decoder"), 4);
  EXPECT_EQ(live(Class::gradients, "backward"), 1024);
  EXPECT_EQ(live(Class::parameters, "decoder"), 1024);
  weight.mutable_grad() = at::Tensor();
  EXPECT_EQ(live(Class::gradients, "backward"), 0);
}

TEST_F(CpuAllocator, AFailureNamesStageClassOwnerBytesAndLiveBytes) {
  const Tag data(Class::data, "slots");
  const at::Tensor slots = at::empty({2 << 20}, at::kByte);
  const StageScope stage(ledger_, Stage::forward);
  try {
    const Tag tag(Class::activations, "attention");
    const at::Tensor huge = at::empty({std::int64_t{1} << 50}, at::kByte);
    FAIL() << "a pebibyte was allocated";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::memory);
    const std::string text = error.what();
    EXPECT_NE(text.find("stage forward"), std::string::npos) << text;
    EXPECT_NE(text.find("activations / attention"), std::string::npos) << text;
    EXPECT_NE(text.find("1.0 PiB requested"), std::string::npos) << text;
    EXPECT_NE(text.find("data"), std::string::npos) << text;
    EXPECT_NE(text.find("2.0 MiB"), std::string::npos) << text;
  }
  EXPECT_EQ(grown(), 2 << 20);
}

// A failure inside a node of the graph passes through the autograd engine and must keep its text.
struct Hungry : torch::autograd::Function<Hungry> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) { return x.clone(); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list) {
    return {at::empty({std::int64_t{1} << 50}, at::kByte)};
  }
};

TEST_F(CpuAllocator, AFailureInBackwardIsTheSameError) {
  const StageScope stage(ledger_, Stage::backward);
  const at::Tensor loss = Hungry::apply(at::ones({1}).requires_grad_()).sum();
  const Tag tag(Class::gradients, "hungry");
  try {
    loss.backward();
    FAIL() << "a pebibyte was allocated";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::memory);
    EXPECT_NE(std::string(error.what()).find("stage backward"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("gradients / hungry"), std::string::npos) << error.what();
  }
}

TEST_F(CpuAllocator, IsInstalledOnce) {
  Ledger second;
  EXPECT_THROW(install(second), Error);
  EXPECT_EQ(installed(), &ledger_);
}

TEST_F(CpuAllocator, RefusesWhatExceedsTheBudgetAndSaysWhy) {
  constexpr std::int64_t kMiB = 1 << 20;
  set_budget(before_ + 2 * kMiB, "memory.budget is 1.0 GiB");
  const at::Tensor first = at::empty({kMiB}, at::kByte);
  try {
    const Tag tag(Class::activations, "block7");
    (void)at::empty({kMiB + 1}, at::kByte);
    ADD_FAILURE() << "it exceeds the budget";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::memory);
    const std::string text = error.what();
    for (const char* part : {"requested by activations / block7", "memory.budget is 1.0 GiB: "})
      EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  EXPECT_THROW(Buffer(2 * kMiB, Class::data, "slots"), Error);
  EXPECT_EQ(at::empty({kMiB}, at::kByte).numel(), kMiB);
  set_budget(-1, "");
  EXPECT_EQ(at::empty({4 * kMiB}, at::kByte).numel(), 4 * kMiB);
}

}  // namespace
}  // namespace ebb::memory
