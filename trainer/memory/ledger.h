// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "memory/classes.h"
#include "memory/event_ring.h"
#include "memory/tag.h"

namespace ebb::memory {

using Sums = std::array<std::int64_t, kClasses>;  // bytes by class

// Live bytes of one class and owner.
struct OwnerBytes {
  Class cls;
  std::string owner;
  std::int64_t bytes;
  std::int64_t blocks;
};

struct LiveBlock {
  std::uint64_t address;
  std::int64_t bytes;
  std::uint32_t owner;  // id of owner_names.h
};

// Bytes of a phase of the training step, of each class. If it was entered several times, each figure is the
// maximum over them.
struct PhasePeak {
  std::string phase;
  Sums peak{};      // the largest live bytes within it
  Sums at_start{};  // live when it was entered
};

// The largest sum of all classes within a phase.
struct PhaseTotal {
  std::string phase;
  std::int64_t bytes = 0;
};

// The moment of the largest sum of all classes.
struct PeakPoint {
  Stage stage = Stage::setup;
  std::string phase;  // of the training step; empty: none
  Class cls = Class::activations;
  std::string owner;  // of the block that was recorded then; empty: there was none
  Sums live{};        // of all classes then: they add up to the peak
};

// The account of all bytes that are allocated on this rank: by class and by owner, live and peak by stage,
// host and device apart. Sizes are as requested, before an allocator rounds them. All members may be called
// from any thread. The allocators and Buffer call record() and forget(), which take a lock of the ledger and
// allocate nothing from the tracked allocators.
class Ledger {
 public:
  enum class Location : std::uint8_t { host, device };

  Ledger();
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Records a block under the calling thread's Tag (activations / "untagged" without one). A block recorded
  // twice counts once, with the later figures.
  void record(const void* block, std::int64_t bytes, Location location);
  void record(const void* block, std::int64_t bytes, Location location, Class cls, std::string_view owner);
  // Removes a block. Returns the bytes requested for it, or 0 if it is unknown.
  std::int64_t forget(const void* block, Location location);

  void enter(Stage stage);  // of the whole process; each stage has its peaks
  [[nodiscard]] Stage stage() const;
  // Sets the current phase of the training step by its name; empty: none. Process-wide. Peaks are kept for
  // each phase entered since reset_peaks().
  void enter_phase(std::string_view name);
  [[nodiscard]] Sums live(Location location) const;
  // The bytes of each phase entered since reset_peaks(), in the order of their first entry.
  [[nodiscard]] std::vector<PhasePeak> phase_peaks(Location location) const;
  [[nodiscard]] std::int64_t live_total(Location location) const;
  // Since reset_peaks(): the maximum of each class within a stage (0 for a stage not entered), the maximum of
  // all classes together (at most the sum of theirs), and the number of blocks recorded.
  [[nodiscard]] Sums peak(Location location, Stage stage) const;
  [[nodiscard]] std::int64_t peak_total(Location location) const;
  [[nodiscard]] std::int64_t recorded_blocks(Location location) const;
  // The same maxima since the start of the run, over all stages; reset_peaks() does not reset them.
  [[nodiscard]] Sums run_peak(Location location) const;
  [[nodiscard]] std::int64_t run_peak_total(Location location) const;
  [[nodiscard]] PeakPoint run_peak_point(Location location) const;  // of run_peak_total()
  // Of each phase since the start of the run, in the order of their first entry.
  [[nodiscard]] std::vector<PhaseTotal> run_phase_totals(Location location) const;
  void reset_peaks();  // at the start of a step: peaks become the live bytes
  [[nodiscard]] std::vector<OwnerBytes> owners(Location location) const;  // largest first
  [[nodiscard]] std::vector<LiveBlock> blocks(Location location) const;   // in no order

  // Keeps the last `events` calls of record() and forget() of a location from now on, in a Buffer of the
  // installed ledger (event_ring.h). 0: none. Error(memory) if there is no memory for it.
  void keep_history(Location location, std::int64_t events);
  [[nodiscard]] std::vector<MemoryEvent> history(Location location) const;  // the oldest first

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Enters `stage`. Its destructor enters the previous stage again.
class StageScope {
 public:
  StageScope(Ledger& ledger, Stage stage) : ledger_(ledger), before_(ledger.stage()) { ledger_.enter(stage); }
  ~StageScope() { ledger_.enter(before_); }
  StageScope(const StageScope&) = delete;
  StageScope& operator=(const StageScope&) = delete;

 private:
  Ledger& ledger_;
  Stage before_;
};

}  // namespace ebb::memory
