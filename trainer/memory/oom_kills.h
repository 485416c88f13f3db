// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>

namespace ebb::memory {

// A rank that sees a peer killed writes this text; the supervisor searches for it.
inline constexpr const char* kOomKillMessage = "the kernel has killed a process here for lack of memory";

// Number of processes killed for lack of memory so far: of this process's control group, version 2 or 1, else
// of the whole machine. 0: not known.
std::int64_t oom_kill_count(const std::filesystem::path& self = "/proc/self/cgroup",
                            const std::filesystem::path& mount = "/sys/fs/cgroup",
                            const std::filesystem::path& machine = "/proc/vmstat");

// The time for which a note of a kill is valid. It exceeds the ten minutes that the chart's launcher waits
// for its hosts by default. If ranks ran longer than this after a kill, the kill did not end them.
inline constexpr auto kNoteLifetime = std::chrono::minutes(15);

// Whether a process of this worker was killed for lack of memory in the last start. True if the file named by
// EBB_KILLED_FOR_MEMORY (docker/ebb-worker writes it) exists and is younger than kNoteLifetime.
bool oom_killed_before_this_start();

// Decides whether a process that has just died was killed for lack of memory: only kills of the last half
// minute count. One thread at a time.
class OomKillWatch {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kPollInterval = std::chrono::seconds(5);
  static constexpr auto kRecent = std::chrono::seconds(30);

  explicit OomKillWatch(std::function<std::int64_t()> count = [] { return oom_kill_count(); });
  // Call it regularly: it reads the count, at most once in kPollInterval. The age of a kill counts from the
  // poll that saw it.
  void poll(Clock::time_point now = Clock::now());
  // Always reads the count.
  [[nodiscard]] bool oom_killed_recently(Clock::time_point now = Clock::now());

 private:
  void read(Clock::time_point now);

  std::function<std::int64_t()> count_;
  std::int64_t seen_;
  Clock::time_point polled_ = Clock::now();
  Clock::time_point last_kill_ = Clock::time_point::min();
};

}  // namespace ebb::memory
