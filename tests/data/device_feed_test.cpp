// SPDX-License-Identifier: Apache-2.0
#include "data/device_feed.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "memory/cuda_device.h"
#include "memory/cuda_library.h"
#include "memory/installed_ledger.h"

namespace ebb::data {
namespace {

core::Batch batch_of(const at::Tensor& samples) {
  core::Batch batch;
  batch.fields = {{"image", samples}};
  return batch;
}

TEST(DeviceFeed, LeavesABatchOfTheCpuAsItIs) {
  DeviceFeed feed(at::kCPU);
  const at::Tensor samples = at::arange(10);
  core::Batch batch = batch_of(samples);
  feed.finish_copy();
  feed.start_copy(batch);
  EXPECT_EQ(batch.field("image").data_ptr(), samples.data_ptr());
  EXPECT_EQ(samples.use_count(), 2);  // no slot is held
}

// The device is busy meanwhile. A copy that waited for it, or read the slot late, would fail the test.
TEST(DeviceFeed, TakesWhatWasInTheSlotAndHoldsItNoLongerThanTheCopyLasts) {
  std::string why_not;
  if (!memory::CudaLibrary::device_present(&why_not)) GTEST_SKIP() << why_not;
  memory::use_device(0);
  DeviceFeed feed(at::Device(at::kCUDA, 0));
  const at::Tensor slot = at::empty({1 << 20}, at::TensorOptions().dtype(at::kInt).pinned_memory(true));
  at::Tensor work = at::ones({4096, 4096}, at::TensorOptions().device(at::kCUDA));
  for (int step = 0; step < 5; ++step) {
    feed.finish_copy();
    EXPECT_EQ(slot.use_count(), 1);
    slot.fill_(step);
    for (int i = 0; i < 20; ++i) work = work.mm(work) * 1e-4;
    core::Batch batch = batch_of(slot);
    feed.start_copy(batch);
    feed.finish_copy();
    slot.fill_(-1);
    EXPECT_TRUE(batch.field("image").eq(step).all().item<bool>()) << step;
  }
}

}  // namespace
}  // namespace ebb::data

int main(int argc, char** argv) {
  if (ebb::memory::CudaLibrary::device_present()) ebb::memory::CudaLibrary::open();  // before any use of ATen
  ebb::memory::the_test_ledger();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
