// SPDX-License-Identifier: Apache-2.0
#include "data/slots.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <numeric>

namespace ebb::data {
namespace {

constexpr std::int64_t kAlignment = 64;

std::int64_t round_up(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

std::shared_ptr<SlotPool> SlotPool::make(std::int64_t count, const core::SampleSpec& spec, std::int64_t batch,
                                         bool pinned, const char* owner) {
  return std::shared_ptr<SlotPool>(new SlotPool(count, spec, batch, pinned, owner));
}

std::int64_t SlotPool::slot_bytes(const core::SampleSpec& spec, std::int64_t batch) {
  std::int64_t bytes = batch * static_cast<std::int64_t>(sizeof(std::int64_t));
  for (const core::FieldSpec& field : spec.fields) bytes += round_up(batch * field.bytes());
  return bytes;
}

SlotPool::SlotPool(std::int64_t count, const core::SampleSpec& spec, std::int64_t batch, bool pinned,
                   const char* owner)
    : spec_(spec), batch_(batch) {
  for (const core::FieldSpec& field : spec.fields) {
    field_offsets_.push_back(ids_offset_);
    ids_offset_ += static_cast<std::size_t>(round_up(batch * field.bytes()));
  }
  const auto bytes = static_cast<std::size_t>(slot_bytes(spec, batch));
  const auto kind = pinned ? memory::HostMemory::pinned : memory::HostMemory::pageable;
  for (std::int64_t i = 0; i < count; ++i) {
    slots_.emplace_back(bytes, memory::Class::data, owner, kind);
    free_.push_back(static_cast<std::size_t>(count - 1 - i));
  }
}

std::optional<std::size_t> SlotPool::acquire() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return closed_ || !free_.empty(); });
  if (closed_) return std::nullopt;
  const std::size_t slot = free_.back();
  free_.pop_back();
  return slot;
}

std::optional<std::size_t> SlotPool::try_acquire() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return std::nullopt;
  const std::size_t slot = free_.back();
  free_.pop_back();
  return slot;
}

void SlotPool::release(std::size_t slot) {
  const std::lock_guard lock(mutex_);
  free_.push_back(slot);
  freed_.notify_one();
}

void SlotPool::give_back(std::size_t slot) {
  const std::lock_guard lock(mutex_);
  --lent_;
  free_.push_back(slot);
  freed_.notify_one();
}

void SlotPool::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  freed_.notify_all();
}

std::int64_t SlotPool::bytes() const {
  return static_cast<std::int64_t>(slots_.size() * slots_.front().size());
}

bool SlotPool::all_lent() const {
  const std::lock_guard lock(mutex_);
  return lent_ == slots_.size();
}

void SlotPool::sample(std::size_t slot, std::int64_t i, std::vector<std::span<std::byte>>& out) const {
  out.clear();
  for (std::size_t f = 0; f < spec_.fields.size(); ++f) {
    const auto bytes = static_cast<std::size_t>(spec_.fields[f].bytes());
    out.push_back(
        slots_[slot].bytes().subspan(field_offsets_[f] + static_cast<std::size_t>(i) * bytes, bytes));
  }
}

std::span<std::int64_t> SlotPool::ids(std::size_t slot) const {
  return {reinterpret_cast<std::int64_t*>(slots_[slot].data() + ids_offset_),
          static_cast<std::size_t>(batch_)};
}

core::Batch SlotPool::lend(std::size_t slot, std::int64_t count) {
  {
    const std::lock_guard lock(mutex_);
    ++lent_;
  }
  // All tensors share the loan: the slot becomes free when the last of them is destroyed. The loan keeps the
  // pool alive.
  std::shared_ptr<void> loan(this, [pool = shared_from_this(), slot](void*) { pool->give_back(slot); });
  core::Batch batch;
  for (std::size_t f = 0; f < spec_.fields.size(); ++f) {
    const core::FieldSpec& field = spec_.fields[f];
    std::vector<std::int64_t> sizes = {count};
    sizes.insert(sizes.end(), field.dims.begin(), field.dims.end());
    batch.fields.push_back({field.name, at::from_blob(
                                            slots_[slot].data() + field_offsets_[f], sizes, [loan](void*) {},
                                            core::scalar_type(field.type))});
  }
  batch.ids = at::from_blob(ids(slot).data(), {count}, [loan](void*) {}, at::kLong);
  return batch;
}

void fill_slot(Dataset& dataset, const SlotPool& pool, std::size_t slot, std::int64_t count,
               FillScratch& scratch, const std::atomic<bool>& stop) {
  const auto ids = pool.ids(slot);
  std::vector<std::int64_t>& order = scratch.order;
  order.resize(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  const auto id = [&ids](std::int64_t i) { return ids[static_cast<std::size_t>(i)]; };
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return id(a) < id(b); });
  for (const std::int64_t i : order) {
    if (stop) return;
    pool.sample(slot, i, scratch.sample);
    dataset.read(id(i), scratch.sample);
  }
}

}  // namespace ebb::data
