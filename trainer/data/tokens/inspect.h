// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

namespace ebb::data {

// Describes a token file for a person: format, tokens, documents, the range of the ids, and the first of
// them. Reads at most a million tokens. Error(data) if it does not open.
std::string inspect_tokens(const std::filesystem::path& path);

}  // namespace ebb::data
