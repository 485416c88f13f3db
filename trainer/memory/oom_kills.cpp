// SPDX-License-Identifier: Apache-2.0
#include "memory/oom_kills.h"

#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/control_group.h"

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

}  // namespace

std::int64_t oom_kill_count(const fs::path& self, const fs::path& mount, const fs::path& machine) {
  const Controller events{"memory", "memory.oom_control", "memory.events"};
  const ControlGroup group = find_control_group(events, self, mount);
  std::optional<std::int64_t> kills;
  if (group.version != 0)
    kills = kills_in(group.folders.front() / (group.version == 1 ? events.file_v1 : events.file_v2));
  return kills ? *kills : kills_in(machine).value_or(0);
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
