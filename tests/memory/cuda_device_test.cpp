// SPDX-License-Identifier: Apache-2.0
// On a GPU: the ledger has every block of CUDA's caching allocator, and its sums equal the allocator's.
#include "memory/cuda_device.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "memory/buffer.h"
#include "memory/cuda_library.h"
#include "memory/installed_ledger.h"
#include "memory/system_memory.h"

namespace ebb::memory {
namespace {

class CudaDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    static const bool open = [] {
      if (!CudaLibrary::device_present(&why_not_)) return false;
      CudaLibrary::open();
      the_test_ledger();
      use_device(0);
      return true;
    }();
    if (!open) GTEST_SKIP() << why_not_;
  }
  static std::int64_t device_live() { return the_test_ledger().live_total(Ledger::Location::device); }
  static std::int64_t gradients_live() {
    return the_test_ledger().live(Ledger::Location::device)[static_cast<std::size_t>(Class::gradients)];
  }
  static inline std::string why_not_;
  const at::TensorOptions on_device_ = at::TensorOptions().device(at::kCUDA, 0);
};

TEST_F(CudaDevice, BlocksAreCountedUnderTheirTag) {
  {
    const Tag tag(Class::optimizer, "moments");
    const at::Tensor moments = at::empty({1001}, on_device_.dtype(at::kByte));
    EXPECT_EQ(device_live(), 1001);
    const auto owners = the_test_ledger().owners(Ledger::Location::device);
    ASSERT_EQ(owners.size(), 1U);
    EXPECT_EQ(owners[0].cls, Class::optimizer);
    EXPECT_EQ(owners[0].owner, "moments");
  }
  EXPECT_EQ(device_live(), 0);
}

TEST_F(CudaDevice, SumsEqualTheAllocatorsThroughATrainingStep) {
  at::Tensor weight = at::randn({64, 64}, on_device_).requires_grad_();
  for (int step = 0; step < 3; ++step) {
    const at::Tensor loss = at::randn({8, 64}, on_device_).mm(weight).relu().pow(2).sum();
    EXPECT_EQ(device_live(), device_stats(0).requested) << "after forward";
    const Tag tag(Class::gradients, "backward");
    loss.backward();
    EXPECT_EQ(device_live(), device_stats(0).requested) << "after backward";
    // cuBLAS may have taken a workspace under the same tag: only the difference is the gradient's.
    const std::int64_t with_gradient = gradients_live();
    weight.mutable_grad() = at::Tensor();
    EXPECT_EQ(with_gradient - gradients_live(), 64 * 64 * 4) << "the tag reaches autograd's thread";
  }
  EXPECT_EQ(device_live(), device_stats(0).requested);
}

TEST_F(CudaDevice, AFailureNamesStageClassAndOwner) {
  const StageScope stage(the_test_ledger(), Stage::forward);
  const Tag tag(Class::activations, "attention");
  try {
    const at::Tensor huge = at::empty({std::int64_t{1} << 42}, on_device_.dtype(at::kByte));
    FAIL() << "4 TiB were allocated";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::memory);
    EXPECT_NE(std::string(error.what()).find("activations / attention"), std::string::npos) << error.what();
  }
}

TEST_F(CudaDevice, APinnedBufferIsKnownToCuda) {
  const Buffer buffer(12345, Class::data, "slot", HostMemory::pinned);
  EXPECT_TRUE(at::from_blob(buffer.data(), {12345}, at::kByte).is_pinned());
  EXPECT_EQ(live(Class::data, "slot"), 12345);
}

TEST_F(CudaDevice, ReportsItsSizes) {
  const CudaMemoryStats stats = device_stats(0);
  EXPECT_GT(stats.device_total, 0);
  EXPECT_GE(stats.device_total, stats.device_used);
  EXPECT_GE(stats.reserved, stats.allocated);
  EXPECT_GE(stats.allocated, stats.requested);
  EXPECT_EQ(measure_system_memory(the_test_ledger(), nullptr, on_device_.device()).device_total,
            stats.device_total);
  EXPECT_EQ(measure_system_memory(the_test_ledger()).device_total, -1);
  EXPECT_FALSE(device_name(0).empty());
}

}  // namespace
}  // namespace ebb::memory
