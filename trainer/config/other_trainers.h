// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>

namespace ebb::config {

// Returns the path of the key that means what `key` means to other trainers ("learning_rate" ->
// "optimizer.lr"); empty if there is none. The configuration at hand may lack it.
std::string_view path_of_foreign_key(std::string_view key);

}  // namespace ebb::config
