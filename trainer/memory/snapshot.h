// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <vector>

#include "memory/ledger.h"

namespace ebb::memory {

class BlockCache;

// Writes the live blocks of `ledger`, and its history, for PyTorch's viewer (https://pytorch.org/memory_viz)
// and torch.cuda._memory_viz. Each location is a device there, in this order. Each block has two frames: its
// owner in its class, and the stage in which it was recorded (of a live block without an event: unknown).
// The viewer needs a segment around each block. One segment here is a range of addresses without a hole
// between the blocks that were ever at it. `cache`: for the blocks that it keeps; null if there is none.
// Error(storage) if the file cannot be written. About 10 MB for 100,000 events.
void write_snapshot(const Ledger& ledger, const BlockCache* cache,
                    const std::vector<Ledger::Location>& locations, const std::filesystem::path& path);

}  // namespace ebb::memory
