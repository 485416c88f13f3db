// SPDX-License-Identifier: Apache-2.0
#include "memory/oom_kills.h"

#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace ebb::memory {
namespace {

namespace fs = std::filesystem;

// The value of "oom_kill" in a file of lines "name number".
std::optional<std::int64_t> kills_in(const fs::path& path) {
  std::ifstream file(path);
  std::string name;
  for (std::int64_t value = 0; file >> name >> value;)
    if (name == "oom_kill") return value;
  return std::nullopt;
}

// In a container the path may be the host's; the group is then mounted at the root.
std::optional<std::int64_t> kills_of(const fs::path& root, const fs::path& group, const char* file) {
  if (const auto kills = kills_in(root / group.relative_path() / file)) return kills;
  return kills_in(root / file);
}

}  // namespace

std::int64_t oom_kill_count(const fs::path& self, const fs::path& mount, const fs::path& machine) {
  std::ifstream lines(self);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      group = line.substr(second + 1);
    std::optional<std::int64_t> kills;
    if (controllers == "memory") kills = kills_of(mount / "memory", group, "memory.oom_control");
    if (controllers.empty()) kills = kills_of(mount, group, "memory.events");
    if (kills) return *kills;
  }
  return kills_in(machine).value_or(0);
}

bool oom_killed_before_this_start() {
  const char* note = std::getenv("EBB_KILLED_FOR_MEMORY");
  std::error_code unreadable;
  if (note == nullptr) return false;
  const fs::file_time_type written = fs::last_write_time(note, unreadable);
  return !unreadable && fs::file_time_type::clock::now() - written <= kNoteLifetime;
}

OomKillWatch::OomKillWatch(std::function<std::int64_t()> count) : count_(std::move(count)), seen_(count_()) {}

void OomKillWatch::poll(Clock::time_point now) {
  if (now - polled_ >= kPollInterval) read(now);
}

bool OomKillWatch::oom_killed_recently(Clock::time_point now) {
  read(now);
  return last_kill_ != Clock::time_point::min() && now - last_kill_ <= kRecent;
}

void OomKillWatch::read(Clock::time_point now) {
  const std::int64_t count = count_();
  if (count > seen_) last_kill_ = now;
  seen_ = count;
  polled_ = now;
}

}  // namespace ebb::memory
