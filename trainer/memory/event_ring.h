// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "memory/buffer.h"
#include "memory/classes.h"

namespace ebb::memory {

// A block that a ledger has recorded or forgotten.
struct MemoryEvent {
  std::uint64_t address;
  std::int64_t bytes;          // negative: forgotten
  std::uint32_t owner : 24;    // id of owner_names.h
  std::uint32_t stage : 8;     // a Stage
  std::uint32_t milliseconds;  // since the ring was made; begins again after 49 days
};

// The last events of one location, in a Buffer of fixed size. One thread at a time: the ledger holds a lock.
class EventRing {
 public:
  static constexpr const char* kOwner = "memory history";  // a workspace of the whole run
  static constexpr std::int64_t bytes_of(std::int64_t events) {
    return events * static_cast<std::int64_t>(sizeof(MemoryEvent));
  }

  // `events`: at least 1.
  explicit EventRing(std::int64_t events);
  void add(std::uint64_t address, std::int64_t bytes, std::uint32_t owner, Stage stage);
  [[nodiscard]] std::vector<MemoryEvent> in_order() const;  // the oldest first

 private:
  Buffer buffer_;
  MemoryEvent* events_;
  std::size_t capacity_, next_ = 0;
  bool full_ = false;
  std::int64_t start_;
};

}  // namespace ebb::memory
