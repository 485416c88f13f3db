// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "core/batch.h"
#include "data/dataset.h"
#include "memory/buffer.h"

namespace ebb::data {

// Memory for micro-batches, all of it allocated by make() (class data) and lent as core::Batch. A slot
// becomes free when the last tensor that views it is destroyed, on any thread. That may be after the
// destruction of the pool's owner. Safe from any thread.
class SlotPool : public std::enable_shared_from_this<SlotPool> {
 public:
  // `count` slots of `batch` samples each. `owner` must outlive the pool (a literal).
  static std::shared_ptr<SlotPool> make(std::int64_t count, const core::SampleSpec& spec, std::int64_t batch,
                                        bool pinned, const char* owner);

  // Bytes of one slot.
  static std::int64_t slot_bytes(const core::SampleSpec& spec, std::int64_t batch);

  std::optional<std::size_t> acquire();      // waits for a free slot; empty once the pool is closed
  std::optional<std::size_t> try_acquire();  // empty if none is free
  void release(std::size_t slot);            // frees a slot that was acquired and not lent
  void close();                              // wakes acquire()

  // Sets `out` to the memory of sample `i`, one span for each field.
  void sample(std::size_t slot, std::int64_t i, std::vector<std::span<std::byte>>& out) const;
  [[nodiscard]] std::span<std::int64_t> ids(std::size_t slot) const;
  // The first `count` samples and ids of an acquired slot as a batch: fields [count, ...], ids [count]
  // int64.
  core::Batch lend(std::size_t slot, std::int64_t count);
  [[nodiscard]] std::int64_t bytes() const;
  [[nodiscard]] bool all_lent() const;  // callers of lend() hold every slot

 private:
  SlotPool(std::int64_t count, const core::SampleSpec& spec, std::int64_t batch, bool pinned,
           const char* owner);
  void give_back(std::size_t slot);

  const core::SampleSpec spec_;
  const std::int64_t batch_;
  std::vector<memory::Buffer> slots_;
  std::vector<std::size_t> field_offsets_;  // byte of each field's [batch, ...] within a slot
  std::size_t ids_offset_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::size_t> free_;
  std::size_t lent_ = 0;
  bool closed_ = false;
};

// Scratch of fill_slot(). The caller keeps it between calls, so that they allocate nothing.
struct FillScratch {
  std::vector<std::int64_t> order;
  std::vector<std::span<std::byte>> sample;
};

// Reads samples ids(slot)[0, count) into the slot, by ascending id. A batch therefore visits each shard once,
// whatever the order of its samples. Returns early once `stop` is true.
void fill_slot(Dataset& dataset, const SlotPool& pool, std::size_t slot, std::int64_t count,
               FillScratch& scratch, const std::atomic<bool>& stop);

}  // namespace ebb::data
