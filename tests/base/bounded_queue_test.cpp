#include "base/bounded_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace ebb {
namespace {

TEST(BoundedQueue, GivesElementsInOrder) {
  BoundedQueue<int> queue(3);
  for (const int value : {1, 2, 3}) EXPECT_TRUE(queue.push(value));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), 3);
}

TEST(BoundedQueue, IsDrainedAfterItsClose) {
  BoundedQueue<int> queue(2);
  queue.push(1);
  queue.close();
  EXPECT_FALSE(queue.push(2));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, HoldsElementsThatOnlyMove) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  EXPECT_TRUE(queue.push(std::make_unique<int>(7)));
  EXPECT_EQ(**queue.pop(), 7);
}

TEST(BoundedQueue, NeverHoldsMoreThanItsCapacity) {
  constexpr int kElements = 2000;
  constexpr int kCapacity = 3;
  BoundedQueue<int> queue(kCapacity);
  // Counted after push returned and before pop is called: their difference is a lower bound of what is
  // inside.
  std::atomic<int> pushed{0};
  std::atomic<int> taken{0};
  std::thread producer([&] {
    for (int i = 0; i < kElements; ++i) {
      queue.push(i);
      ++pushed;
    }
    queue.close();
  });
  int most = 0;
  for (;;) {
    most = std::max(most, pushed.load() - taken.load());
    ++taken;
    if (!queue.pop()) break;
  }
  producer.join();
  EXPECT_LE(most, kCapacity);
  EXPECT_EQ(taken.load(), kElements + 1);
}

TEST(BoundedQueue, GivesEveryElementOnceToManyThreads) {
  constexpr int kEach = 1000;
  BoundedQueue<int> queue(4);
  std::vector<std::thread> producers;
  for (int p = 0; p < 3; ++p) {
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kEach; ++i) queue.push(p * kEach + i);
    });
  }
  std::vector<std::vector<int>> taken(3);
  std::vector<std::thread> consumers;
  for (auto& mine : taken) {
    consumers.emplace_back([&queue, &mine] {
      while (auto value = queue.pop()) mine.push_back(*value);
    });
  }
  for (auto& thread : producers) thread.join();
  queue.close();
  for (auto& thread : consumers) thread.join();
  std::vector<int> all;
  for (const auto& mine : taken) all.insert(all.end(), mine.begin(), mine.end());
  std::ranges::sort(all);
  std::vector<int> expected(3 * kEach);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

TEST(BoundedQueue, CloseWakesThreadsThatWait) {
  BoundedQueue<int> full(1);
  full.push(0);
  BoundedQueue<int> empty(1);
  bool pushed = true;
  bool popped = true;
  std::thread pusher([&] { pushed = full.push(1); });
  std::thread popper([&] { popped = empty.pop().has_value(); });
  full.close();
  empty.close();
  pusher.join();
  popper.join();
  EXPECT_FALSE(pushed);
  EXPECT_FALSE(popped);
}

}  // namespace
}  // namespace ebb
