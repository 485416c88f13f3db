#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace ebb::numerics::cpu {

// Deals [0, count) to `threads` threads as they come for it: up to `most` at a time as long as there is
// plenty, then less and less down to one, so that all of them end together though one is disturbed by others.
// Which thread does what changes from run to run: only for work whose result does not depend on that.
// body(begin, end), several times on each thread; at::get_thread_num() is below `threads` in it, but with one
// thread the body runs on the caller and under the caller's number.
template <class Body>
void guided_schedule(std::int64_t count, std::int64_t most, std::int64_t threads, const Body& body) {
  const auto portion = [&](std::int64_t rest) {
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
      const std::int64_t end = begin + portion(count - begin);
      if (!next.compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
      body(begin, end);
      begin = next.load(std::memory_order_relaxed);
    }
  });
}

}  // namespace ebb::numerics::cpu
