#pragma once
#include <filesystem>
#include <string>

namespace ebb::data {

// What inspect() says of a file of tokens: format, tokens, documents, the range of the ids, the first of
// them. Reads at most a million tokens.
std::string inspect_tokens(const std::filesystem::path& path);

}  // namespace ebb::data
