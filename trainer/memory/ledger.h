#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "memory/classes.h"

namespace c10 {
class ThreadLocalDebugInfo;
}

namespace ebb::memory {

class BlockCache;
using Sums = std::array<std::int64_t, kClasses>;  // bytes by class

// One line of the account: bytes alive under a class and an owner tag.
struct OwnerBytes {
  Class cls;
  std::string owner;
  std::int64_t bytes;
  std::int64_t blocks;
};

struct PhasePeak {
  std::string phase;
  Sums peak;
};

// The account of every byte handed out on this rank, host and device apart: by class, by owner, live and peak
// by stage. Bytes are those asked for (not those reserved). All members are safe to call from any thread.
// record/forget are called by the allocators and by Buffer under a lock of the ledger's own; they allocate
// nothing from the tracked allocators.
class Ledger {
 public:
  enum class Place : std::uint8_t { host, device };

  Ledger();
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Bytes are those asked for. A block recorded twice counts once, with the later figures; a block that is
  // not known is nothing to forget. Takes the class and owner from the calling thread's Tag (activations /
  // "untagged" where there is none).
  void record(const void* block, std::int64_t bytes, Place place);
  void record(const void* block, std::int64_t bytes, Place place, Class cls, std::string_view owner);
  std::int64_t forget(const void* block, Place place);  // how many bytes were asked for; 0: not known

  void enter(Stage stage);  // process-wide; peaks are kept for each stage
  [[nodiscard]] Stage stage() const;
  // The phase of the training step that runs from here on, by its name; empty: none. Process-wide. Peaks are
  // kept for each phase entered since reset_peaks().
  void enter_phase(std::string_view name);
  [[nodiscard]] Sums live(Place place) const;
  // Largest live bytes of each class seen in the stage since reset; 0 for a stage not entered since.
  [[nodiscard]] Sums peak(Place place, Stage stage) const;
  // Largest live bytes of each class within each phase since reset, in the order of their first entry.
  [[nodiscard]] std::vector<PhasePeak> phase_peaks(Place place) const;
  [[nodiscard]] std::int64_t live_total(Place place) const;
  [[nodiscard]] std::int64_t peak_total(
      Place place) const;  // largest sum over classes since reset (not the sum of the peaks)
  [[nodiscard]] std::int64_t recorded(Place place) const;  // blocks handed out since reset
  [[nodiscard]] Sums peak(Place place) const;  // by class, over all stages since the start of the run
  [[nodiscard]] std::int64_t run_peak_total(Place place) const;
  void reset_peaks();  // at the start of a step: peaks become what is live
  [[nodiscard]] std::vector<OwnerBytes> owners(Place place) const;  // largest first

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Makes `ledger` the one that torch's CPU allocator and Buffer report to; for a GPU see cuda_device.h. Call
// once, first thing in main, before any tensor exists. With `cache`, torch's large blocks on the CPU come
// from it. Both must outlive every tensor; main leaks them on purpose. From then on an allocation that fails
// on the CPU is an Error(memory) with the text of shortage().
void install(Ledger& ledger, BlockCache* cache = nullptr);
Ledger* installed();  // null before install()
// Unmaps the blocks that the cache given to install() keeps. False where there were none. Allocators call it
// before they report a lack of memory.
bool release_kept_blocks();

// What this thread allocates while it lives belongs to (class, owner). Tags nest; the innermost counts.
// Carried into autograd's and torch's own threads (c10::ThreadLocalDebugInfo): what backward makes belongs to
// the tag under which backward() was called. Costs no malloc. `owner` is copied; it is a unit's name or a
// purpose, of which there are few.
class Tag {
 public:
  Tag(Class cls, std::string_view owner);
  ~Tag();
  Tag(const Tag&) = delete;
  Tag& operator=(const Tag&) = delete;

 private:
  std::shared_ptr<c10::ThreadLocalDebugInfo> before_;
};

// The calling thread's innermost tag.
struct TagView {
  Class cls;
  std::string_view owner;  // lives as long as the process
};
TagView current_tag();

// The text of an error for bytes that could not be had: stage, class, owner, bytes asked, and what is alive
// by class.
std::string shortage(const Ledger& ledger, Ledger::Place place, std::int64_t asked_bytes, Class cls,
                     std::string_view owner);

// enter(stage) for a block; the stage before comes back after it.
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
