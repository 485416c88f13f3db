// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/guided_schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <vector>

namespace ebb::numerics::cpu {
namespace {

// The number of runs of each unit, and the size of the largest chunk.
struct Chunks {
  std::vector<int> times;
  std::int64_t most = 0;
};

Chunks chunks_of(std::int64_t count, std::int64_t most, std::int64_t threads) {
  Chunks result{std::vector<int>(static_cast<std::size_t>(count)), 0};
  std::atomic<std::int64_t> max_chunk{0};
  guided_schedule(count, most, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++result.times[static_cast<std::size_t>(i)];
    std::int64_t before = max_chunk;
    while (before < end - begin && !max_chunk.compare_exchange_weak(before, end - begin)) {
    }
    EXPECT_LT(at::get_thread_num(), threads);
  });
  result.most = max_chunk;
  return result;
}

TEST(GuidedSchedule, RunsEveryUnitOnceInChunksUpToTheMaximum) {
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  for (const std::int64_t threads : {1, 2, 3})
    for (const std::int64_t count : {0, 1, 2, 7, 147, 1000}) {
      const Chunks d = chunks_of(count, 8, threads);
      for (std::int64_t i = 0; i < count; ++i)
        EXPECT_EQ(d.times[static_cast<std::size_t>(i)], 1) << i << " of " << count << ", " << threads;
      EXPECT_LE(d.most, 8);
    }
  at::set_num_threads(before);
}

TEST(GuidedSchedule, ChunksShrinkToOne) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);  // it takes the chunks of both in order
  std::vector<std::int64_t> sizes;
  guided_schedule(100, 8, 2, [&](std::int64_t begin, std::int64_t end) { sizes.push_back(end - begin); });
  at::set_num_threads(before);
  EXPECT_EQ(sizes.front(), 8);
  EXPECT_EQ(sizes.back(), 1);
  EXPECT_TRUE(std::is_sorted(sizes.rbegin(), sizes.rend()));
}

}  // namespace
}  // namespace ebb::numerics::cpu
