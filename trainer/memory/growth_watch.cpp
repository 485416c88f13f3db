// SPDX-License-Identifier: Apache-2.0
#include "memory/growth_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <string_view>

#include "base/units.h"
#include "memory/cpu_allocator.h"
#include "memory/proc_text.h"
#include "memory/system_memory.h"

namespace ebb::memory {
namespace {

constexpr double kPer = 1000;  // steps of a stated slope

using Value = std::int64_t UntrackedMemory::*;

// Least squares, in bytes per window.
double slope_of(const std::vector<UntrackedMemory>& windows, Value value) {
  const double n = static_cast<double>(windows.size()), mean_x = (n - 1) / 2;
  double mean_y = 0;
  for (const UntrackedMemory& one : windows) mean_y += static_cast<double>(one.*value) / n;
  double xy = 0, xx = 0;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const double x = static_cast<double>(i) - mean_x;
    xy += x * (static_cast<double>(windows[i].*value) - mean_y);
    xx += x * x;
  }
  return xy / xx;
}

// Windows above the one before. A single jump, such as that of a first evaluation, is no growth.
bool most_grew(const std::vector<UntrackedMemory>& windows, Value value) {
  std::size_t grew = 0;
  for (std::size_t i = 1; i < windows.size(); ++i) grew += windows[i].*value > windows[i - 1].*value ? 1 : 0;
  return 3 * grew >= 2 * (windows.size() - 1);
}

std::string growth(std::int64_t before, std::int64_t now) {
  return (now < before ? "" : "+") + format_bytes(now - before);
}

// "7f12a0000000-7f12a0021000 rw-p 00000000 00:00 0   [heap]" begins a mapping.
bool begins_mapping(std::string_view line) {
  return !line.empty() &&
         (std::isdigit(static_cast<unsigned char>(line[0])) != 0 || (line[0] >= 'a' && line[0] <= 'f'));
}

std::int64_t& kind_of(std::string_view mapping, MappedMemory& sums) {
  if (mapping.ends_with("[heap]")) return sums.heap;
  return mapping.find('/') != std::string_view::npos ? sums.files : sums.maps;
}

}  // namespace

UntrackedMemory measure_untracked_memory(const Ledger& ledger, const BlockCache& cache) {
  const std::int64_t resident = measure_system_memory(ledger).resident;
  if (resident < 0) return {-1, -1};
  return {resident - held_bytes(ledger, &cache), cache.resident_bytes() - cache.requested_bytes()};
}

MappedMemory measure_mapped_memory(const std::filesystem::path& process) {
  MappedMemory sums;
  std::ifstream in(process / "smaps"), status(process / "status");
  std::int64_t* kind = &sums.maps;
  for (std::string line; std::getline(in, line);) {
    if (begins_mapping(line)) kind = &kind_of(line, sums);
    if (line.starts_with("Rss:")) *kind += std::max<std::int64_t>(0, kilobytes_after(line, "Rss:"));
  }
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Threads:")) sums.threads = std::stoll(line.substr(8));
  return sums;
}

std::optional<std::string> GrowthWatch::observe(std::int64_t step, const UntrackedMemory& now) {
  if (now.outside < 0) return std::nullopt;
  least_ = least_ ? UntrackedMemory{std::min(least_->outside, now.outside), std::min(least_->kept, now.kept)}
                  : now;
  if (++seen_ < kWindow / kEvery) return std::nullopt;
  const UntrackedMemory window = *least_;
  least_.reset();
  seen_ = 0;
  if (settling_ > 0) {
    --settling_;
    return std::nullopt;
  }
  if (mapped_at_ < 0) {
    mapped_ = measure_mapped_memory();
    mapped_at_ = step;
  }
  windows_.push_back(window);
  if (windows_.size() < kWindows) return std::nullopt;
  std::string text;
  for (const auto& [value, name] :
       {std::pair<Value, const char*>{&UntrackedMemory::outside, "outside of the ledger"},
        std::pair<Value, const char*>{&UntrackedMemory::kept, "kept for later steps"}}) {
    const double per_step = slope_of(windows_, value) / static_cast<double>(kWindow);
    if (per_step * kPer <= static_cast<double>(limit_) || !most_grew(windows_, value)) continue;
    text += fmt::format("{}memory {} grows by {} in 1,000 steps", text.empty() ? "" : ", ", name,
                        format_bytes(static_cast<std::int64_t>(per_step * kPer)));
  }
  if (text.empty()) {
    windows_.erase(windows_.begin());
    return std::nullopt;
  }
  const MappedMemory mapped = measure_mapped_memory();
  windows_.clear();
  return fmt::format(
      "step {}: {} (memory.growth is {})\n  since step {}: heap {}, other maps "
      "{}, "
      "files {}, {} threads then, {} now",
      step, text, format_bytes(limit_), mapped_at_, growth(mapped_.heap, mapped.heap),
      growth(mapped_.maps, mapped.maps), growth(mapped_.files, mapped.files), mapped_.threads,
      mapped.threads);
}

}  // namespace ebb::memory
