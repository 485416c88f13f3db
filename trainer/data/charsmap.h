// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace ebb::data {

// Checks the tables by which a sentencepiece model replaces characters: precompiled_charsmap of
// normalizer_spec and denormalizer_spec. The library follows them without bounds. `model`: a serialized
// ModelProto. Error(data) names `name`, the unit at fault and the figures, if a text could lead out of a
// table, or if a table has more than the library keeps or than ebb allows: 32 rules that begin each other,
// and 256 bytes in place of a character. Also for bytes that are no such message.
void check_charsmaps(std::string_view model, const std::string& name);

}  // namespace ebb::data
