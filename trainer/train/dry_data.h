// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "core/batch.h"
#include "core/sample.h"
#include "memory/dry_cuda_allocator.h"
#include "memory/ledger.h"

// The data of a dry run: batches without values, and the memory for them.
namespace ebb::train {

// `count` samples on the meta device.
core::Batch dry_batch(const core::SampleSpec& sample, std::int64_t count, std::int64_t global_batch);

// As data::DeviceFeed to a GPU. It copies on a stream of its own, so its segments add to those of the steps.
class DryFeed {
 public:
  core::Batch copy(core::Batch batch);
  [[nodiscard]] std::int64_t reserved() const { return segments_.reserved(); }

 private:
  memory::DryCudaAllocator segments_;
};

// Buffers that a run takes in host memory before its first step: slots of both loaders, whose batches are
// views of them, caches of the datasets, and the history. The cache of blocks has no part in them.
class Reservation {
 public:
  explicit Reservation(memory::Ledger& ledger) : ledger_(ledger) {}
  ~Reservation();
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

  void add(std::int64_t count, std::int64_t bytes, memory::Class cls, const char* owner);
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  memory::Ledger& ledger_;
  std::vector<std::unique_ptr<char>> blocks_;  // their addresses stand for the Buffers
  std::int64_t bytes_ = 0;
};

}  // namespace ebb::train
