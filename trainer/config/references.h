// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ebb::config {

// A text of a configuration that refers to the environment. Only the program's memory has its value, which
// may be secret; files and messages have the text as it was written.
//
// Values of other kinds (numbers, sizes, words) have no Reference and are written as what they stand for. A
// secret does not fit into their bounds and words. Without them a checkpoint would not say what the run was,
// and nobody could rebuild its model.
struct Reference {
  std::string written;  // "${EBB_DATA:-data}/x"
  std::string value;    // what it stands for; `written` if it is not known
  std::string place;    // "file:line", or the override
  // false: in a saved configuration, which is read without the environment, if the run that saved it did not
  // have the defaults
  bool is_known = true;
};

// By key path.
using References = std::map<std::string, Reference, std::less<>>;

// Returns `message` with the values of `keys` as they were written.
std::string without_values(std::string message, const std::vector<std::string>& keys,
                           const References& references);

// The keys whose value is that of the defaults of their references. A saved run has them beside its
// configuration, since a reader cannot tell from its own environment what the run had.
std::vector<std::string> defaulted_keys(const References& references);

// Error(usage) if the value of `key` is not known. The message names key and variables, and asks for an
// override.
void require_known(const References& references, std::string_view key);

}  // namespace ebb::config
