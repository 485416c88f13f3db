// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace ebb::memory {

// The ledger's record of one block.
struct BlockInfo {
  std::int64_t bytes;
  std::uint32_t owner;  // the id of an OwnerName (owner_names.h)
};

// A map from a block's address to its BlockInfo: open addressing with linear probing, at most half full. A
// step with a bounded number of blocks makes no call to malloc here. One thread at a time: the ledger holds a
// lock.
class BlockTable {
 public:
  BlockTable() : slots_(kFirstSlots) {}

  [[nodiscard]] std::size_t size() const { return size_; }

  // `address` is not 0. Replaces a block that is there already, and returns the old one.
  std::optional<BlockInfo> insert(std::uintptr_t address, BlockInfo info) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[find(address)];
    std::optional<BlockInfo> before;
    if (slot.address == address) {
      before = slot.info;
    } else {
      ++size_;
    }
    slot = {address, info};
    return before;
  }

  // Calls `use` with the address and the BlockInfo of each block, in no order.
  template <class Use>
  void for_each(const Use& use) const {
    for (const Slot& slot : slots_)
      if (slot.address != 0) use(slot.address, slot.info);
  }

  // Empty if the address is unknown.
  std::optional<BlockInfo> extract(std::uintptr_t address) {
    std::size_t hole = find(address);
    if (slots_[hole].address != address || address == 0) return std::nullopt;
    const BlockInfo info = slots_[hole].info;
    // Moves later members of the run back instead of leaving a tombstone, so the table needs no cleaning.
    for (std::size_t next = (hole + 1) & mask(); slots_[next].address != 0; next = (next + 1) & mask()) {
      const std::size_t home = home_of(slots_[next].address);
      if (((next - home) & mask()) >= ((next - hole) & mask())) {
        slots_[hole] = slots_[next];
        hole = next;
      }
    }
    slots_[hole] = {};
    --size_;
    return info;
  }

 private:
  struct Slot {
    std::uintptr_t address = 0;
    BlockInfo info{};
  };
  static constexpr std::size_t kFirstSlots = 4096;

  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  [[nodiscard]] std::size_t home_of(std::uintptr_t address) const {
    // Blocks are aligned, so their low bits are equal. A multiplication spreads the other bits.
    return static_cast<std::size_t>((address * 0x9E3779B97F4A7C15ULL) >> 32) & mask();
  }
  [[nodiscard]] std::size_t find(std::uintptr_t address) const {
    std::size_t i = home_of(address);
    while (slots_[i].address != 0 && slots_[i].address != address) i = (i + 1) & mask();
    return i;
  }
  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.address != 0) slots_[find(slot.address)] = slot;
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace ebb::memory
