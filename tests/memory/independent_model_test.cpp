// SPDX-License-Identifier: Apache-2.0
// Compares the ledger's sum with the count of malloc_shim.cpp, which ctest preloads, over whole steps of a
// model through ebb's kernels. Both count buffers: memory::Buffer calls posix_memalign in the program's own
// code. Page-locked buffers, by mmap, exist on GPUs only.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory/buffer.h"
#include "memory/installed_ledger.h"
#include "models/built_in.h"
#include "models/model.h"
#include "models/vae/config.h"
#include "numerics/update.h"

namespace ebb::memory {
namespace {

// A variational autoencoder with the split master and moments of AdamW, as in a run.
class Trained {
 public:
  explicit Trained(numerics::Dtype dtype) {
    models::ModelConfig config(models::built_in_families());
    config.choose(
        "vae", std::make_unique<models::FamilyConfigOf<models::VaeConfig>>(models::VaeConfig{8, 8, 16, 1.0}));
    model_ = models::make_model(config, core::SampleSpec{{core::image_field(1, 12, 8)}}, dtype, at::kCPU, 7);
    for (core::Unit* unit : phase().units())
      for (core::Parameter& p : unit->parameters) add(p);
  }
  core::Phase& phase() { return *model_->phases().front(); }
  void update(std::int64_t step) {
    numerics::AdamW settings;
    settings.step = step + 1;
    for (State& s : states_) {
      numerics::adamw_update(s.weight.detach().view({-1}), s.residual, s.weight.grad().view({-1}), s.m, s.v,
                             settings);
      s.weight.mutable_grad() = at::Tensor();
    }
  }

 private:
  struct State {
    at::Tensor weight, residual, m, v;
  };
  void add(core::Parameter& p) {
    const at::NoGradGuard no_grad;
    const Tag tag(Class::optimizer, "moments");
    p.tensor.copy_(p.initial());
    const at::Tensor zeros = at::zeros({p.tensor.numel()});
    const bool split = p.tensor.scalar_type() != at::kFloat;
    states_.push_back(
        {p.tensor, split ? at::zeros({p.tensor.numel()}, at::kShort) : at::Tensor(), zeros, zeros.clone()});
  }
  std::unique_ptr<models::Model> model_;
  std::vector<State> states_;
};

class IndependentModelCount : public ::testing::TestWithParam<numerics::Dtype> {
 protected:
  void SetUp() override {
    live_ = reinterpret_cast<std::int64_t (*)()>(dlsym(RTLD_DEFAULT, "ebb_shim_live_bytes"));
    ASSERT_NE(live_, nullptr) << "run it through ctest, which preloads libebb_malloc_shim.so";
    ledger_at_start_ = the_test_ledger().live_total(Ledger::Location::host);
    shim_at_start_ = live_();
  }
  [[nodiscard]] std::int64_t counted() const { return live_() - shim_at_start_; }
  [[nodiscard]] std::int64_t accounted() const {
    return the_test_ledger().live_total(Ledger::Location::host) - ledger_at_start_;
  }
  std::int64_t (*live_)() = nullptr;
  std::int64_t ledger_at_start_ = 0, shim_at_start_ = 0;
};

TEST_P(IndependentModelCount, AgreesAfterEveryStageOfEveryStep) {
  const auto trained = std::make_unique<Trained>(GetParam());
  const Buffer slot(3 * 12 * 8, Class::data, "slot");
  EXPECT_EQ(accounted(), counted()) << "after setup";
  core::PlainRunner runner;
  std::int64_t first_end = 0, largest = 0;
  for (int step = 0; step < 4; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const std::int64_t start = counted();
    {
      core::Batch batch;
      const Tag load(Class::data, "batch");
      batch.fields = {{"image", at::randint(0, 256, {6, 1, 12, 8}, at::kByte)}};
      batch.step = step;
      batch.position = 6 * step;
      batch.global_batch = 6;
      EXPECT_EQ(accounted(), counted()) << "after load";
      EXPECT_EQ(counted() - start, 6 * 12 * 8);
      const core::Loss loss = trained->phase().forward(batch, runner);
      EXPECT_EQ(accounted(), counted()) << "after forward";
      EXPECT_GT(counted() - start, 6 * 12 * 8) << "a graph is held";
      const Buffer staging(1000 + step, Class::communication, "staging");
      EXPECT_EQ(accounted(), counted()) << "with a buffer";
      const Tag backward(Class::activations, "backward");
      loss.loss.backward();
      EXPECT_EQ(accounted(), counted()) << "after backward";
      largest = std::max(largest, counted());
    }
    trained->update(step);
    EXPECT_EQ(accounted(), counted()) << "after update";
    if (step == 0) first_end = counted();
    EXPECT_EQ(counted(), first_end);
  }
  EXPECT_GT(largest, first_end);
}

TEST_P(IndependentModelCount, ADestroyedModelLeavesNothing) {
  EXPECT_EQ(accounted(), 0);
  {
    const Trained trained(GetParam());
  }
  EXPECT_EQ(accounted(), 0);
  EXPECT_EQ(counted(), 0);
}

INSTANTIATE_TEST_SUITE_P(Precisions, IndependentModelCount,
                         ::testing::Values(numerics::Dtype::fp16, numerics::Dtype::bf16,
                                           numerics::Dtype::fp32),
                         [](const auto& info) {
                           return std::string(at::toString(numerics::scalar_type(info.param)));
                         });

}  // namespace
}  // namespace ebb::memory
