// SPDX-License-Identifier: Apache-2.0
#include "launch/stall_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace ebb::launch {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr std::size_t kMostRanks = 16;  // that a message names
constexpr std::chrono::milliseconds kLongestPeriod{5000};
constexpr int kReportsInLimit = 4;

double seconds_between(StallWatch::Time from, StallWatch::Time to) {
  return Seconds(to - from).count();
}

}  // namespace

StallWatch::StallWatch(int ranks, double limit_s, Time start)
    : limit_s_(limit_s),
      ranks_(static_cast<std::size_t>(std::max(ranks, 0)), Last{{}, start, false}),
      progress_(start),
      checked_(start) {}

std::chrono::milliseconds StallWatch::heartbeat_period(double limit_s) {
  if (limit_s == 0) return kLongestPeriod;
  return std::min(kLongestPeriod,
                  std::chrono::duration_cast<std::chrono::milliseconds>(Seconds(limit_s / kReportsInLimit)));
}

void StallWatch::report(const telemetry::HeartbeatLine& line, Time now) {
  const auto rank = static_cast<std::size_t>(line.rank);
  if (rank >= ranks_.size()) return;
  ranks_[rank] = {line, now, true};
  progress_ = now;
  started_ = true;
  training_ = training_ || line.step >= 0;
}

double StallWatch::limit_s() const {
  return training_ ? limit_s_ : std::max(limit_s_, kLeastStart_s);
}

std::chrono::milliseconds StallWatch::longest_wait() const {
  return std::max(std::chrono::milliseconds(1), heartbeat_period(limit_s_));
}

bool StallWatch::is_stalled(Time now) {
  if (limit_s_ == 0) return false;
  if (seconds_between(checked_, now) > limit_s_ / 2) {
    const auto pause = now - checked_;
    progress_ = std::min(now, progress_ + pause);
    for (Last& last : ranks_) last.time = std::min(now, last.time + pause);
  }
  checked_ = now;
  return seconds_between(progress_, now) > limit_s();
}

// In `reduce` a rank waits for the others, unless it is the network that hangs.
bool StallWatch::is_waiting(const Last& last) const {
  return last.reported && last.line.stage == memory::Stage::reduce;
}

std::string StallWatch::describe(Time now) const {
  std::vector<const Last*> order;
  for (const Last& last : ranks_) order.push_back(&last);
  // A ranges::stable_partition returns a subrange, which clang 14 cannot instantiate with this libstdc++.
  std::stable_partition(order.begin(), order.end(), [this](const Last* last) { return !is_waiting(*last); });
  const auto waiting = std::ranges::count_if(ranks_, [this](const Last& last) { return is_waiting(last); });
  std::string text = fmt::format(
      "no rank has made progress for {} (launch.stall is {}). Storage or a network hangs, or the processes "
      "are stopped: check the storage of run.dir and data.source, then run it again to resume",
      format_duration(seconds_between(progress_, now)), format_duration(limit_s_));
  for (std::size_t i = 0; i < std::min(order.size(), kMostRanks); ++i) {
    const Last& last = *order[i];
    const auto rank = static_cast<std::size_t>(order[i] - ranks_.data());
    const std::string silent = format_duration(seconds_between(last.time, now));
    if (!last.reported) {
      text += fmt::format("\n  rank {}: has not reported since its start, {} ago", rank, silent);
      continue;
    }
    const bool blocks = waiting > 0 && !is_waiting(last);
    text += fmt::format("\n  rank {} on {}: {}, stage {}, for {}{}", rank, last.line.host,
                        last.line.step < 0 ? "before the first step" : fmt::format("step {}", last.line.step),
                        memory::name(last.line.stage), silent, blocks ? "; ranks in reduce wait for it" : "");
  }
  if (order.size() > kMostRanks)
    text += fmt::format("\n  {} more ranks, {} of all are in reduce", order.size() - kMostRanks, waiting);
  return text;
}

}  // namespace ebb::launch
