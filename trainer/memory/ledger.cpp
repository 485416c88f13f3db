// SPDX-License-Identifier: Apache-2.0
#include "memory/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>

#include "memory/block_table.h"
#include "memory/owner_names.h"

namespace ebb::memory {
namespace {

std::size_t index(Class cls) {
  return static_cast<std::size_t>(cls);
}
std::size_t index(Stage stage) {
  return static_cast<std::size_t>(stage);
}

void raise(Sums& peak, const Sums& live) {
  for (std::size_t c = 0; c < live.size(); ++c) peak[c] = std::max(peak[c], live[c]);
}

// The account of one location. Its mutex guards all members.
struct Account {
  static constexpr std::size_t kNoPhase = static_cast<std::size_t>(-1);
  struct Cell {
    std::int64_t bytes = 0, blocks = 0;
    Class cls = Class::activations;
  };

  mutable std::mutex mutex;
  BlockTable blocks;
  std::vector<Cell> owners;  // by id of owner_names.h
  std::optional<EventRing> ring;
  Stage stage = Stage::setup;
  Sums live{}, run_peak{};
  std::array<Sums, kStages> peaks{};
  std::vector<PhasePeak> phases;
  std::size_t phase = kNoPhase;  // the one that runs
  std::vector<PhaseTotal> run_phases;
  std::size_t run_phase = kNoPhase;  // that one, in run_phases
  std::int64_t total = 0, peak_total = 0, run_peak_total = 0, recorded = 0;
  struct Moment {
    Stage stage = Stage::setup;
    std::string phase;
    std::uint32_t owner = kUntagged;
    Sums live{};
  } run_peak_moment;  // of run_peak_total

  void record(std::uintptr_t block, std::int64_t bytes, std::uint32_t owner) {
    const std::lock_guard lock(mutex);
    add_owner(owner);
    if (const auto before = blocks.insert(block, {bytes, owner})) subtract(block, *before);
    if (ring) ring->add(block, bytes, owner, stage);
    Cell& cell = owners[owner];
    const std::size_t c = index(cell.cls);
    cell.bytes += bytes;
    cell.blocks += 1;
    recorded += 1;
    live[c] += bytes;
    total += bytes;
    std::int64_t& peak = peaks[index(stage)][c];
    peak = std::max(peak, live[c]);
    if (phase != kNoPhase) phases[phase].peak[c] = std::max(phases[phase].peak[c], live[c]);
    run_peak[c] = std::max(run_peak[c], live[c]);
    if (run_phase != kNoPhase) run_phases[run_phase].bytes = std::max(run_phases[run_phase].bytes, total);
    peak_total = std::max(peak_total, total);
    if (total > run_peak_total) {
      run_peak_total = total;
      run_peak_moment = {stage, phase == kNoPhase ? std::string() : phases[phase].phase, owner, live};
    }
  }

  std::int64_t forget(std::uintptr_t block) {
    const std::lock_guard lock(mutex);
    const auto gone = blocks.extract(block);
    if (!gone) return 0;
    subtract(block, *gone);
    return gone->bytes;
  }

  void enter(Stage next) {
    const std::lock_guard lock(mutex);
    stage = next;
    raise(peaks[index(stage)], live);
  }

  void enter_phase(std::string_view name) {
    const std::lock_guard lock(mutex);
    leave_phase();
    if (name.empty()) return;
    phase = find_or_add(phases, name);
    raise(phases[phase].peak, live);
    raise(phases[phase].at_start, live);
    run_phase = find_or_add(run_phases, name);
    run_phases[run_phase].bytes = std::max(run_phases[run_phase].bytes, total);
  }

  void reset_peaks() {
    const std::lock_guard lock(mutex);
    phases.clear();
    leave_phase();
    peaks = {};
    peaks[index(stage)] = live;
    peak_total = total;
    recorded = 0;
  }

  [[nodiscard]] PeakPoint run_peak_point() const {
    const Moment& moment = run_peak_moment;
    if (run_peak_total == 0) return {};
    const OwnerName& name = owner_name(moment.owner);
    return {moment.stage, moment.phase, name.cls, name.owner, moment.live};
  }

 private:
  template <class Entry>
  static std::size_t find_or_add(std::vector<Entry>& entries, std::string_view name) {
    const auto found =
        std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.phase == name; });
    const auto at = static_cast<std::size_t>(found - entries.begin());
    if (found == entries.end()) {
      entries.emplace_back();
      entries.back().phase = name;
    }
    return at;
  }
  void leave_phase() { phase = run_phase = kNoPhase; }
  void add_owner(std::uint32_t owner) {
    while (owners.size() <= owner) {
      const auto id = static_cast<std::uint32_t>(owners.size());
      owners.push_back({.cls = owner_name(id).cls});
    }
  }
  void subtract(std::uintptr_t block, const BlockInfo& gone) {
    if (ring) ring->add(block, -gone.bytes, gone.owner, stage);
    Cell& cell = owners[gone.owner];
    cell.bytes -= gone.bytes;
    cell.blocks -= 1;
    live[index(cell.cls)] -= gone.bytes;
    total -= gone.bytes;
  }
};

}  // namespace

struct Ledger::Impl {
  std::array<Account, 2> accounts;
  std::atomic<Stage> stage{Stage::setup};

  Account& at(Location location) { return accounts[static_cast<std::size_t>(location)]; }
  template <class Read>
  auto read(Location location, Read read) {
    Account& account = at(location);
    const std::lock_guard lock(account.mutex);
    return read(account);
  }
};

Ledger::Ledger() : impl_(std::make_unique<Impl>()) {}
Ledger::~Ledger() = default;

void Ledger::record(const void* block, std::int64_t bytes, Location location) {
  impl_->at(location).record(reinterpret_cast<std::uintptr_t>(block), bytes, current_owner());
}

void Ledger::record(const void* block, std::int64_t bytes, Location location, Class cls,
                    std::string_view owner) {
  impl_->at(location).record(reinterpret_cast<std::uintptr_t>(block), bytes, intern(cls, owner).id);
}

std::int64_t Ledger::forget(const void* block, Location location) {
  return impl_->at(location).forget(reinterpret_cast<std::uintptr_t>(block));
}

void Ledger::enter(Stage stage) {
  impl_->stage.store(stage);
  for (Account& account : impl_->accounts) account.enter(stage);
}

void Ledger::enter_phase(std::string_view name) {
  for (Account& account : impl_->accounts) account.enter_phase(name);
}

std::vector<PhasePeak> Ledger::phase_peaks(Location location) const {
  return impl_->read(location, [](const Account& a) { return a.phases; });
}

std::vector<PhaseTotal> Ledger::run_phase_totals(Location location) const {
  return impl_->read(location, [](const Account& a) { return a.run_phases; });
}

Stage Ledger::stage() const {
  return impl_->stage.load();
}

Sums Ledger::live(Location location) const {
  return impl_->read(location, [](const Account& a) { return a.live; });
}

Sums Ledger::peak(Location location, Stage stage) const {
  return impl_->read(location, [stage](const Account& a) { return a.peaks[index(stage)]; });
}

std::int64_t Ledger::recorded_blocks(Location location) const {
  return impl_->read(location, [](const Account& a) { return a.recorded; });
}

std::int64_t Ledger::live_total(Location location) const {
  return impl_->read(location, [](const Account& a) { return a.total; });
}

std::int64_t Ledger::peak_total(Location location) const {
  return impl_->read(location, [](const Account& a) { return a.peak_total; });
}

Sums Ledger::run_peak(Location location) const {
  return impl_->read(location, [](const Account& a) { return a.run_peak; });
}

PeakPoint Ledger::run_peak_point(Location location) const {
  return impl_->read(location, [](const Account& a) { return a.run_peak_point(); });
}

std::int64_t Ledger::run_peak_total(Location location) const {
  return impl_->read(location, [](const Account& a) { return a.run_peak_total; });
}

void Ledger::reset_peaks() {
  for (Account& account : impl_->accounts) account.reset_peaks();
}

std::vector<OwnerBytes> Ledger::owners(Location location) const {
  auto lines = impl_->read(location, [](const Account& a) {
    std::vector<OwnerBytes> out;
    for (std::uint32_t id = 0; id < a.owners.size(); ++id) {
      const Account::Cell& cell = a.owners[id];
      if (cell.blocks > 0) out.push_back({cell.cls, owner_name(id).owner, cell.bytes, cell.blocks});
    }
    return out;
  });
  std::stable_sort(lines.begin(), lines.end(),
                   [](const OwnerBytes& a, const OwnerBytes& b) { return a.bytes > b.bytes; });
  return lines;
}

std::vector<LiveBlock> Ledger::blocks(Location location) const {
  return impl_->read(location, [](const Account& a) {
    std::vector<LiveBlock> out;
    out.reserve(a.blocks.size());
    a.blocks.for_each([&](std::uintptr_t address, const BlockInfo& info) {
      out.push_back({address, info.bytes, info.owner});
    });
    return out;
  });
}

// The ring's own Buffer is recorded here, so it is made before the lock is taken.
void Ledger::keep_history(Location location, std::int64_t events) {
  std::optional<EventRing> ring;
  if (events > 0) ring.emplace(events);
  impl_->read(location, [&](Account& a) { a.ring.swap(ring); });
}

std::vector<MemoryEvent> Ledger::history(Location location) const {
  return impl_->read(
      location, [](const Account& a) { return a.ring ? a.ring->in_order() : std::vector<MemoryEvent>(); });
}

}  // namespace ebb::memory
