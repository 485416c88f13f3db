#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>

namespace ebb::memory {

// What a rank says that saw it of its neighbour; who supervises the ranks looks for it.
inline constexpr const char* kKilledForMemory = "the kernel has killed a process here for lack of memory";

// Processes killed for lack of memory up to now: of this process's control group, version 2 or 1, so that
// what others on the machine suffer does not count; where that is not seen, of the whole machine. 0: not
// known.
std::int64_t killed_for_memory(const std::filesystem::path& self = "/proc/self/cgroup",
                               const std::filesystem::path& mount = "/sys/fs/cgroup",
                               const std::filesystem::path& machine = "/proc/vmstat");

// As long as a start may wait for its hosts (ten minutes), and more. Ranks have lived through an older kill.
inline constexpr auto kNoteHolds = std::chrono::minutes(15);

// Whether a process of this worker was killed for lack of memory at the start before: the file that
// EBB_KILLED_FOR_MEMORY names (docker/ebb-worker leaves it) is there, and younger than kNoteHolds.
bool killed_before_this_start();

// Tells a process that has just died of a kill for lack of memory from one that died of something else, days
// after such a kill: only those of the last half minute count. One thread at a time.
class KillWatch {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kBetweenLooks = std::chrono::seconds(5);
  static constexpr auto kLately = std::chrono::seconds(30);

  explicit KillWatch(std::function<std::int64_t()> count = [] { return killed_for_memory(); });
  // To be called now and then: reads the count, at most once in kBetweenLooks. A kill is taken to be as old
  // as the look that saw it.
  void look(Clock::time_point now = Clock::now());
  // Looks in any case.
  [[nodiscard]] bool killed_lately(Clock::time_point now = Clock::now());

 private:
  void read(Clock::time_point now);

  std::function<std::int64_t()> count_;
  std::int64_t seen_;
  Clock::time_point looked_ = Clock::now();
  Clock::time_point last_kill_ = Clock::time_point::min();
};

}  // namespace ebb::memory
