// SPDX-License-Identifier: Apache-2.0
// Compares the ledger and the block cache with the counts of malloc_shim.cpp, which ctest preloads: small
// blocks by posix_memalign, large ones as the cache maps them.
#include <ATen/ATen.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.h"
#include "memory/block_cache.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace ebb::memory {
namespace {

using Count = std::int64_t (*)();

class IndependentCache : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ledger_ = new Ledger;
    cache_ = new BlockCache;
    install(*ledger_, cache_);
  }
  void SetUp() override {
    live_ = reinterpret_cast<Count>(dlsym(RTLD_DEFAULT, "ebb_shim_live_bytes"));
    mapped_ = reinterpret_cast<Count>(dlsym(RTLD_DEFAULT, "ebb_shim_mapped_bytes"));
    ASSERT_NE(mapped_, nullptr) << "run it through ctest, which preloads libebb_malloc_shim.so";
    cache_->release_kept();
    live_before_ = live_();
    mapped_before_ = mapped_();
  }
  // Large tensors of these tests have sizes that the cache does not round.
  void expect_same(std::string_view when) const {
    EXPECT_EQ(mapped_() - mapped_before_, cache_->in_use_bytes() + cache_->kept_bytes()) << when;
    EXPECT_EQ(ledger_->live_total(Ledger::Location::host), live_() - live_before_ + cache_->in_use_bytes())
        << when;
  }
  static at::Tensor large(std::int64_t mib) { return at::empty({mib << 20}, at::kByte); }

  static Ledger* ledger_;
  static BlockCache* cache_;
  Count live_ = nullptr, mapped_ = nullptr;
  std::int64_t live_before_ = 0, mapped_before_ = 0;
};
Ledger* IndependentCache::ledger_ = nullptr;
BlockCache* IndependentCache::cache_ = nullptr;

TEST_F(IndependentCache, AgreesAfterEveryPartOfEveryStep) {
  const at::Tensor weights = large(3);
  for (int step = 0; step < 70; ++step) {
    SCOPED_TRACE(step);
    {
      const at::Tensor input = large(1), hidden = large(4), small = at::empty({1000}, at::kFloat);
      expect_same("after forward");
      const at::Tensor gradient = large(3), scratch = large(2);
      expect_same("after backward");
    }
    if (step == 40) const at::Tensor once = large(16);  // an evaluation
    cache_->end_step();
    expect_same("after the step");
    EXPECT_EQ(cache_->in_use_bytes(), 3 << 20);
    EXPECT_GT(cache_->kept_bytes(), 0);
  }
}

TEST_F(IndependentCache, AgreesWhenMemoryWasRefused) {
  const at::Tensor kept = large(2);
  {
    const at::Tensor gone = large(8);
  }
  EXPECT_THROW(at::empty({std::int64_t{1} << 50}, at::kByte), Error);
  expect_same("after the refusal");
  EXPECT_EQ(cache_->kept_bytes(), 0) << "it failed before it had unmapped all kept blocks";
}

TEST_F(IndependentCache, AgreesAfterThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) const at::Tensor block = large(1 + (i + t) % 4);
    });
  for (std::thread& thread : threads) thread.join();
  expect_same("after threads");
  EXPECT_EQ(cache_->in_use_bytes(), 0);
}

}  // namespace
}  // namespace ebb::memory
