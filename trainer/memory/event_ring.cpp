// SPDX-License-Identifier: Apache-2.0
#include "memory/event_ring.h"

#include <time.h>

#include <memory>

namespace ebb::memory {
namespace {

// A coarse clock costs a few nanoseconds, and every allocation reads it.
std::int64_t now_milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::int64_t{1000} * now.tv_sec + now.tv_nsec / 1'000'000;
}

}  // namespace

// Writes every page, so that the resident set does not grow while the ring fills.
EventRing::EventRing(std::int64_t events)
    : buffer_(static_cast<std::size_t>(bytes_of(events)), Class::workspace, kOwner),
      events_(reinterpret_cast<MemoryEvent*>(buffer_.data())),
      capacity_(static_cast<std::size_t>(events)),
      start_(now_milliseconds()) {
  std::uninitialized_value_construct_n(events_, capacity_);
}

void EventRing::add(std::uint64_t address, std::int64_t bytes, std::uint32_t owner, Stage stage) {
  events_[next_] = {address, bytes, owner & 0xFFFFFFU, static_cast<std::uint32_t>(stage),
                    static_cast<std::uint32_t>(now_milliseconds() - start_)};
  if (++next_ < capacity_) return;
  next_ = 0;
  full_ = true;
}

std::vector<MemoryEvent> EventRing::in_order() const {
  std::vector<MemoryEvent> all;
  all.reserve(full_ ? capacity_ : next_);
  if (full_) all.assign(events_ + next_, events_ + capacity_);
  all.insert(all.end(), events_, events_ + next_);
  return all;
}

}  // namespace ebb::memory
