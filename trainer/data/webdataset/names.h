// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "data/tar/reader.h"

namespace ebb::data {

// A member of a shard belongs to the sample of its key, as the part of its suffix.
struct PartName {
  std::string key;     // the path up to the first dot of the file's name: "a/0001"
  std::string suffix;  // all that follows, in lower case: "jpg", "seg.png"
};

// Empty for a member that is no part of a sample. `skipped` then says why, in the plural: "folders", "links",
// "hidden files", "names without a suffix", "__meta__ files".
std::optional<PartName> part_name(const TarMember& member, std::string_view& skipped);

}  // namespace ebb::data
