// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace ebb::numerics::cpu {

// OpenMP's schedule(guided): `threads` threads take chunks of [0, count) from a shared counter. A chunk has
// at most `most` elements; chunks shrink to one element towards the end. All threads thus end together, even
// if another process slows one down.
//
// body(begin, end) runs several times on each thread, with at::get_thread_num() below `threads`. With one
// thread it runs on the caller, under the caller's number. The assignment of chunks to threads changes from
// run to run, so the result of the work must not depend on it.
template <class Body>
void guided_schedule(std::int64_t count, std::int64_t most, std::int64_t threads, const Body& body) {
  const auto chunk = [&](std::int64_t rest) {
    return std::clamp<std::int64_t>(rest / threads, 1, std::min(most, rest));
  };
  if (threads == 1) {
    for (std::int64_t begin = 0; begin < count; begin += most) body(begin, std::min(count, begin + most));
    return;
  }
  std::atomic<std::int64_t> next{0};
  at::parallel_for(0, std::min(threads, count), 1, [&](std::int64_t, std::int64_t) {
    std::int64_t begin = next.load(std::memory_order_relaxed);
    while (begin < count) {
      const std::int64_t end = begin + chunk(count - begin);
      if (!next.compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
      body(begin, end);
      begin = next.load(std::memory_order_relaxed);
    }
  });
}

}  // namespace ebb::numerics::cpu
