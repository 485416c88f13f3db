// SPDX-License-Identifier: Apache-2.0
#include "base/work_count.h"

#include <unistd.h>

#include <atomic>

namespace ebb {
namespace {

std::atomic<std::uint64_t> the_count{0};
std::atomic<pid_t> the_thread{0};  // 0: none is counted

pid_t this_thread() {
  static thread_local const pid_t number = ::gettid();
  return number;
}

}  // namespace

void count_work_of_this_thread() {
  the_thread.store(this_thread(), std::memory_order_relaxed);
}

void count_work() {
  if (the_thread.load(std::memory_order_relaxed) == this_thread())
    the_count.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t work_count() {
  return the_count.load(std::memory_order_relaxed);
}

}  // namespace ebb
