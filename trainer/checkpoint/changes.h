// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/manifest.h"

namespace ebb::checkpoint {

// The configuration of a run. A checkpoint stores it, and a resumed run is compared with it.
struct RunConfiguration {
  ConfigValues mathematical;                // config::mathematical_values, and the contents of the dataset
  std::string resolved_config;              // config::resolved_yaml
  std::vector<std::string> defaulted = {};  // config::defaulted_keys
  // The defaults of mathematical keys. A checkpoint may lack a key that a newer version of
  // ebb added. The two are compatible if the run has the default of that key.
  ConfigValues defaults = {};
  // Keys that are not mathematical. They may be in a checkpoint of a version for which they were.
  std::vector<std::string> free_keys = {};
  // Keys whose default is the value of another key, by name: NAME.optimizer.lr has optimizer.lr. If both
  // change alike, that is one change, of the other key.
  std::map<std::string, std::string> follows = {};
  // What a resume may change: keys and sections. checkpoint.allow, and what the run accepts by itself.
  std::vector<std::string> allowed = {};
  std::vector<std::string> all_keys = {};          // config::all_keys: what checkpoint.allow can name
  std::vector<std::string> shaping_keys = {};      // config::shaping_keys: no other value fits the tensors
  std::map<std::string, std::string> advice = {};  // by key, for a refused change
};

// A mathematical key with different values in a checkpoint and in the run. A value is empty where the key is
// absent.
struct Change {
  std::string key, saved, present;
};

// Returns all differences, in the order of the run's keys; those that only the checkpoint has are last.
std::vector<Change> changes_between(const Manifest& saved, const RunConfiguration& present);

// Error(usage) if a change is not in `allowed`, or is of a shaping key. The message has `folder`, each such
// key, both values, and what to do. `listed`: the present value of checkpoint.allow.
void require_allowed(const std::vector<Change>& changes, const RunConfiguration& configuration,
                     const std::vector<std::string>& listed, const std::filesystem::path& folder);

// Returns "checkpoint.allow=[A,B]": the override that adds `keys` to `listed`.
std::string allow_override(std::vector<std::string> listed, const std::vector<std::string>& keys);

// True if one of `allowed` is the key, or a section that contains it.
bool is_allowed(const std::vector<std::string>& allowed, const std::string& key);

}  // namespace ebb::checkpoint
