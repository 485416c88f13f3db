// SPDX-License-Identifier: Apache-2.0
// Compares the ledger's sums with those of malloc_shim.cpp, which ctest preloads into this process.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

#include "memory/buffer.h"
#include "memory/installed_ledger.h"

namespace ebb::memory {
namespace {

using Count = std::int64_t (*)();
Count shim(const char* name) {
  return reinterpret_cast<Count>(dlsym(RTLD_DEFAULT, name));
}

class IndependentCount : public ::testing::Test {
 protected:
  void SetUp() override {
    live_ = shim("ebb_shim_live_bytes");
    blocks_ = shim("ebb_shim_total_blocks");
    ASSERT_NE(live_, nullptr) << "run it through ctest, which preloads libebb_malloc_shim.so";
    before_ = live_();
    ASSERT_EQ(the_test_ledger().live_total(Ledger::Location::host), 0);
  }

  void expect_same(std::string_view when) const {
    EXPECT_EQ(the_test_ledger().live_total(Ledger::Location::host), live_() - before_) << when;
  }

  Count live_ = nullptr, blocks_ = nullptr;
  std::int64_t before_ = 0;
};

// A small convolutional network with moments, as in a run.
struct Network {
  Network() {
    const Tag tag(Class::parameters, "network");
    parameters = {at::randn({8, 1, 3, 3}),      at::randn({8}), at::ones({8}), at::zeros({8}),
                  at::randn({10, 8 * 14 * 14}), at::randn({10})};
    for (at::Tensor& p : parameters) p.requires_grad_();
    const Tag moment_tag(Class::optimizer, "moments");
    for (const at::Tensor& p : parameters) moments.push_back(at::zeros_like(p));
  }
  [[nodiscard]] at::Tensor forward(const at::Tensor& images, const at::Tensor& labels) const {
    const auto& p = parameters;
    at::Tensor h = at::conv2d(images, p[0], p[1], 2, 1);
    h = at::group_norm(h, 2, p[2], p[3]);
    h = at::gelu(h).flatten(1);
    return at::cross_entropy_loss(at::linear(h, p[4], p[5]), labels);
  }
  void update() {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      moments[i].mul_(0.9).add_(parameters[i].grad(), 0.1);
      parameters[i].sub_(moments[i] * 1e-3);
      parameters[i].mutable_grad() = at::Tensor();
    }
  }
  std::vector<at::Tensor> parameters, moments;
};

TEST_F(IndependentCount, AgreesAfterEveryStageOfEveryStep) {
  const std::int64_t blocks_before = blocks_();
  {
    Network network;
    const Buffer slot(32 * 28 * 28, Class::data, "slot");
    expect_same("after setup");
    std::int64_t after_first = 0;
    for (int step = 0; step < 5; ++step) {
      {
        const Tag data(Class::data, "batch");
        const at::Tensor images = at::rand({32, 1, 28, 28});
        const at::Tensor labels = at::randint(0, 10, {32});
        expect_same("after load");
        const Tag forward(Class::activations, "forward");
        at::Tensor loss = network.forward(images, labels);
        expect_same("after forward");
        const Tag backward(Class::gradients, "backward");
        loss.backward();
        expect_same("after backward");
      }
      network.update();
      expect_same("after update");
      const std::int64_t now = the_test_ledger().live_total(Ledger::Location::host);
      if (step == 0) after_first = now;
      EXPECT_EQ(now, after_first) << "step " << step;
    }
    EXPECT_GT(live_() - before_, 32 * 28 * 28);
  }
  expect_same("after the end");
  EXPECT_EQ(live_() - before_, 0);
  EXPECT_GT(blocks_() - blocks_before, 100) << "the shim saw none of the framework's blocks";
}

TEST_F(IndependentCount, AgreesAfterStepsInSeveralThreads) {
  std::vector<std::thread> threads;
  std::vector<at::Tensor> kept(4);
  for (std::size_t t = 0; t < kept.size(); ++t) {
    threads.emplace_back([&kept, t] {
      for (int i = 0; i < 200; ++i) {
        const at::Tensor a = at::rand({17 + static_cast<std::int64_t>(t), 31});
        kept[t] = a.mm(a.t()).softmax(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect_same("after threads");
  EXPECT_EQ(live_() - before_, (17 * 17 + 18 * 18 + 19 * 19 + 20 * 20) * 4);
}

TEST_F(IndependentCount, AgreesInHalfPrecisionAndAfterResizing) {
  at::Tensor a = at::rand({33, 65}).to(at::kHalf);
  at::Tensor b = a.to(at::kBFloat16).sum(0);
  a.resize_({100, 100});
  const at::Tensor sorted = std::get<0>(b.sort());
  const at::Tensor joined = at::cat({b, sorted}).contiguous();
  expect_same("after conversions");
  EXPECT_EQ(live_() - before_, 100 * 100 * 2 + 65 * 2 + 65 * 2 + 130 * 2);
}

}  // namespace
}  // namespace ebb::memory
