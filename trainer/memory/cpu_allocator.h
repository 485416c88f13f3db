// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "memory/ledger.h"

namespace ebb::memory {

class BlockCache;

// Makes torch's CPU allocator and Buffer report to `ledger`; for a GPU see cuda_device.h. With `cache`, the
// allocator takes its large blocks from it. From then on a failed allocation on the CPU throws OutOfMemory
// (failure.h).
//
// Call it once, at the start of main, before any tensor exists. A second call throws Error(internal). Both
// arguments must outlive every tensor, so main never destroys them. c10 has one allocator in a process, and
// the deleter of a block is a plain function. Both need this global state.
void install(Ledger& ledger, BlockCache* cache = nullptr);

Ledger* installed();  // null before install()

// The memory of the ledger's live bytes on the host and of the blocks that `cache` keeps: pages of large
// blocks, and the rest as requested. `cache`: the installed one; null if there is none.
std::int64_t held_bytes(const Ledger& ledger, const BlockCache* cache);

// Limits the live bytes and the pages that the cache keeps, on the host; -1: no limit. It is checked for
// tensors of 64 KiB or more and for every Buffer. They first unmap kept blocks. Beyond the limit they throw
// OutOfMemory with `source`, such as "memory.budget is 6.0 GiB".
// Any thread may call it.
void set_budget(std::int64_t bytes, const std::string& source);
// Does so for `bytes` of malloc.
void require_budget(std::int64_t bytes, Class cls, std::string_view owner);

// Throws OutOfMemory for an allocation on the host that failed.
[[noreturn]] void fail_host_allocation(std::int64_t bytes, Class cls, std::string_view owner);

// Unmaps the blocks that the installed cache keeps; false if there were none. An allocator calls it before it
// reports a lack of memory.
bool release_kept_blocks();

}  // namespace ebb::memory
