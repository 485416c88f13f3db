// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/changes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

namespace ebb::checkpoint {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// Leaves out changes of keys that follow another key with the same change.
void drop_followers(std::vector<Change>& changes, const std::map<std::string, std::string>& follows) {
  const std::vector<Change> all = changes;
  std::erase_if(changes, [&](const Change& change) {
    const auto followed = follows.find(change.key);
    return followed != follows.end() && std::ranges::any_of(all, [&](const Change& other) {
             return other.key == followed->second && other.saved == change.saved &&
                    other.present == change.present;
           });
  });
}

std::string describe_refused(const Change& change, const RunConfiguration& configuration) {
  std::string line = fmt::format("\n  {}: ", change.key);
  line += change.saved.empty() ? "unknown when it was saved" : fmt::format("saved with {}", change.saved);
  line += change.present.empty() ? ", now absent" : fmt::format(", now {}", change.present);
  if (contains(configuration.shaping_keys, change.key)) line += "; the saved tensors depend on it";
  const auto advice = configuration.advice.find(change.key);
  if (advice != configuration.advice.end()) line += fmt::format("\n    {}", advice->second);
  return line;
}

}  // namespace

std::vector<Change> changes_between(const Manifest& saved, const RunConfiguration& present) {
  const std::set<std::pair<std::string, std::string>> defaults(present.defaults.begin(),
                                                               present.defaults.end());
  const std::map<std::string, std::string> before(saved.mathematical.begin(), saved.mathematical.end());
  std::vector<Change> changes;
  std::set<std::string> seen;
  for (const auto& [key, value] : present.mathematical) {
    seen.insert(key);
    const auto found = before.find(key);
    if (found == before.end()) {
      if (!defaults.contains({key, value})) changes.push_back({key, "", value});
    } else if (found->second != value) {
      changes.push_back({key, found->second, value});
    }
  }
  for (const auto& [key, value] : saved.mathematical)
    if (!seen.contains(key) && !contains(present.free_keys, key)) changes.push_back({key, value, ""});
  drop_followers(changes, present.follows);
  return changes;
}

bool is_allowed(const std::vector<std::string>& allowed, const std::string& key) {
  return std::ranges::any_of(
      allowed, [&](const std::string& name) { return key == name || key.starts_with(name + "."); });
}

std::string allow_override(std::vector<std::string> listed, const std::vector<std::string>& keys) {
  listed.insert(listed.end(), keys.begin(), keys.end());
  return fmt::format("checkpoint.allow=[{}]", fmt::join(listed, ","));
}

void require_allowed(const std::vector<Change>& changes, const RunConfiguration& configuration,
                     const std::vector<std::string>& listed, const std::filesystem::path& folder) {
  std::string lines;
  std::vector<std::string> keys;
  bool fits = true, can_be_listed = true;
  for (const Change& change : changes) {
    const bool shapes = contains(configuration.shaping_keys, change.key);
    if (!shapes && is_allowed(configuration.allowed, change.key)) continue;
    lines += describe_refused(change, configuration);
    keys.push_back(change.key);
    fits = fits && !shapes;
    can_be_listed = can_be_listed && contains(configuration.all_keys, change.key);
  }
  if (lines.empty()) return;
  std::string remedies = "Start again in a new folder: checkpoint.resume=never run.name=...";
  if (fits && can_be_listed)
    remedies += fmt::format("\nOr resume from it with {}: {}",
                            keys.size() == 1 ? "this change" : "these changes", allow_override(listed, keys));
  if (fits) remedies += "\nOr resume from it with any change: checkpoint.resume=force";
  throw Error(ExitCode::usage,
              fmt::format("{} was saved with a configuration that is mathematically different:{}\n{}",
                          folder.string(), lines, remedies));
}

}  // namespace ebb::checkpoint
