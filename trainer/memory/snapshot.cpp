// SPDX-License-Identifier: Apache-2.0
#include "memory/snapshot.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>

#include "base/atomic_file.h"
#include "memory/block_cache.h"
#include "memory/event_ring.h"
#include "memory/owner_names.h"
#include "memory/pickle_writer.h"

namespace ebb::memory {
namespace {

constexpr std::uint32_t kUnknownStage = kStages;
constexpr std::int64_t kLarge = std::int64_t{1} << 20;  // a "large" segment in PyTorch

struct Range {
  std::uint64_t begin, end;
};

// Ranges without those between them that touch or overlap, in order.
std::vector<Range> merged(std::vector<Range> ranges) {
  std::ranges::sort(ranges, {}, &Range::begin);
  std::vector<Range> out;
  for (const Range& range : ranges) {
    if (!out.empty() && range.begin <= out.back().end)
      out.back().end = std::max(out.back().end, range.end);
    else
      out.push_back(range);
  }
  return out;
}

class Writer {
 public:
  explicit Writer(AtomicFile& file) : pickle_(file) {}

  void write(const Ledger& ledger, const BlockCache* cache, const std::vector<Ledger::Location>& locations) {
    pickle_.begin_dict();
    std::vector<std::vector<MemoryEvent>> events;
    for (const Ledger::Location location : locations) events.push_back(ledger.history(location));
    pickle_.text("segments");
    pickle_.begin_list();
    for (std::size_t device = 0; device < locations.size(); ++device) {
      const bool cached = cache != nullptr && locations[device] == Ledger::Location::host;
      segments(static_cast<std::int64_t>(device), ledger.blocks(locations[device]), events[device],
               cached ? cache->kept_blocks() : std::vector<BlockCache::KeptBlock>());
    }
    pickle_.end_list();
    pickle_.text("device_traces");
    pickle_.begin_list();
    for (const std::vector<MemoryEvent>& of_device : events) {
      pickle_.next_item();
      trace(of_device);
    }
    pickle_.end_list();
    pickle_.end_dict();
    pickle_.finish();
  }

 private:
  void number(const char* key, std::int64_t value) {
    pickle_.text(key);
    pickle_.integer(value);
  }
  void text(const char* key, std::string_view value) {
    pickle_.text(key);
    pickle_.text(value);
  }
  void frame(std::string_view name, std::string_view filename) {
    pickle_.next_item();
    pickle_.begin_dict();
    text("name", name);
    text("filename", filename);
    number("line", 0);
    pickle_.end_dict();
  }

  // The owner and the stage of a block; each pair is written once.
  void frames(std::uint32_t owner, std::uint32_t stage) {
    pickle_.text("frames");
    const auto known = frames_.find({owner, stage});
    if (known != frames_.end()) {
      pickle_.recall(known->second);
      return;
    }
    const OwnerName& name_of_owner = owner_name(owner);
    pickle_.begin_list();
    frame(name_of_owner.owner, name(name_of_owner.cls));
    if (stage < kUnknownStage) frame(name(static_cast<Stage>(stage)), "stage");
    pickle_.end_list();
    frames_.emplace(std::pair{owner, stage}, pickle_.remember());
  }
  void no_frames() {
    pickle_.text("frames");
    pickle_.begin_list();
    pickle_.end_list();
  }

  void segments(std::int64_t device, std::vector<LiveBlock> live, const std::vector<MemoryEvent>& events,
                const std::vector<BlockCache::KeptBlock>& kept) {
    std::vector<Range> ranges;
    std::unordered_map<std::uint64_t, std::uint32_t> stages;  // of the last event of each address
    for (const MemoryEvent& event : events) {
      ranges.push_back({event.address, event.address + static_cast<std::uint64_t>(std::abs(event.bytes))});
      stages[event.address] = event.stage;
    }
    for (const LiveBlock& block : live)
      ranges.push_back({block.address, block.address + static_cast<std::uint64_t>(block.bytes)});
    for (const BlockCache::KeptBlock& block : kept)
      ranges.push_back({block.address, block.address + static_cast<std::uint64_t>(block.bytes)});
    std::ranges::sort(live, {}, &LiveBlock::address);
    auto next = live.begin();
    for (const Range& range : merged(std::move(ranges))) {
      auto end = next;
      while (end != live.end() && end->address < range.end) ++end;
      segment(device, range, {next, end}, stages);
      next = end;
    }
  }

  void segment(std::int64_t device, const Range& range, const std::vector<LiveBlock>& live,
               const std::unordered_map<std::uint64_t, std::uint32_t>& stages) {
    std::int64_t used = 0;
    for (const LiveBlock& block : live) used += block.bytes;
    const auto size = static_cast<std::int64_t>(range.end - range.begin);
    pickle_.next_item();
    pickle_.begin_dict();
    number("device", device);
    number("address", static_cast<std::int64_t>(range.begin));
    number("total_size", size);
    number("allocated_size", used);
    number("active_size", used);
    number("requested_size", used);
    number("stream", 0);
    text("segment_type", size >= kLarge ? "large" : "small");
    pickle_.text("segment_pool_id");
    pickle_.pair(0, 0);
    pickle_.text("is_expandable");
    pickle_.boolean(false);
    no_frames();
    pickle_.text("blocks");
    pickle_.begin_list();
    std::uint64_t at = range.begin;
    for (const LiveBlock& block : live) {
      gap(at, block.address);
      begin_block(block.address, block.bytes, "active_allocated");
      const auto stage = stages.find(block.address);
      frames(block.owner, stage == stages.end() ? kUnknownStage : stage->second);
      pickle_.end_dict();
      at = block.address + static_cast<std::uint64_t>(block.bytes);
    }
    gap(at, range.end);
    pickle_.end_list();
    pickle_.end_dict();
  }

  void gap(std::uint64_t from, std::uint64_t to) {
    if (from >= to) return;
    begin_block(from, static_cast<std::int64_t>(to - from), "inactive");
    no_frames();
    pickle_.end_dict();
  }

  void begin_block(std::uint64_t address, std::int64_t bytes, const char* state) {
    pickle_.next_item();
    pickle_.begin_dict();
    number("address", static_cast<std::int64_t>(address));
    number("size", bytes);
    number("requested_size", bytes);
    text("state", state);
  }

  void trace(const std::vector<MemoryEvent>& events) {
    pickle_.begin_list();
    for (const MemoryEvent& event : events) {
      if (event.bytes >= 0) {
        entry("alloc", event);
      } else {
        entry("free_requested", event);
        entry("free_completed", event);
      }
    }
    pickle_.end_list();
  }

  void entry(const char* action, const MemoryEvent& event) {
    pickle_.next_item();
    pickle_.begin_dict();
    text("action", action);
    number("addr", static_cast<std::int64_t>(event.address));
    number("size", std::abs(event.bytes));
    number("stream", 0);
    number("time_us", std::int64_t{1000} * event.milliseconds);
    frames(event.owner, event.stage);
    pickle_.end_dict();
  }

  PickleWriter pickle_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> frames_;
};

}  // namespace

void write_snapshot(const Ledger& ledger, const BlockCache* cache,
                    const std::vector<Ledger::Location>& locations, const std::filesystem::path& path) {
  AtomicFile file(path);
  Writer(file).write(ledger, cache, locations);
  file.commit();
}

}  // namespace ebb::memory
