#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/pack.h"

namespace ebb::data {

struct PackTextOptions {
  std::vector<std::filesystem::path> inputs;  // text, or JSON lines where the name ends in .jsonl
  std::filesystem::path out;                  // the token file
};

struct PackTextResult {
  std::int64_t tokens = 0, documents = 0;
};

// Tokens of the tokenizer `bytes`: a byte is its own number, and kEndOfDocument follows each document.
inline constexpr std::int32_t kEndOfDocument = 256;
inline constexpr std::int64_t kByteVocabulary = 257;

// Text -> a token file of llm.c (u16; see token_file.h). A text file is one document, and so is the string
// "text" of the object in each line of a .jsonl file. Inputs are read twice, in blocks: to count, then to
// write; progress is in bytes of the second time. OUT appears whole or not at all; one that is there is left
// alone: Error(usage). An input without a byte of text, and a line that is no such object: Error(data) with
// file and line.
PackTextResult pack_text_bytes(const PackTextOptions& options, const Progress& progress);

}  // namespace ebb::data
