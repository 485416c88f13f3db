// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

#include "data/progress.h"
#include "data/text_source.h"
#include "data/tokenizer.h"

namespace ebb::data {

struct PackTextOptions {
  TextInputs inputs;
  std::filesystem::path out;  // the token file, or a folder if test_share is not 0
  double test_share = 0;      // share of the last tokens, for evaluation; in [0, 1)
};

struct NotUtf8 {
  std::int64_t document = 1;  // from 1 on, over all inputs
  std::int64_t offset = 0;    // in the document
  unsigned char byte = 0;
};

struct PackTextResult {
  std::int64_t tokens = 0, documents = 0, test_tokens = 0;
  std::int64_t skipped_lines = 0;   // of JSON (TextInputs::skip_bad_lines)
  std::optional<NotUtf8> not_utf8;  // the first byte that is not UTF-8
  bool already_there = false;
};

// Packs text (text_source.h) into a token file of llm.c (tokens/token_file.h), or into train.bin and test.bin
// in the folder `out`. Tokens are u16, or u32 for a vocabulary that needs it. Inputs are read twice, in
// blocks: to count, then to write. Progress counts tokens of the second pass. A file appears complete or not
// at all. Files that hold exactly these tokens stay unchanged.
//
// Error(usage) if there are files with other tokens. Error(data), with file and line, for an empty input, a
// line that is not such an object, and a share that leaves either file empty. Error(data), with document and
// offset, for a byte that is not UTF-8, if no token stands for it. Error(memory), with the same, if the
// system refuses memory.
PackTextResult pack_text(const PackTextOptions& options, const Tokenizer& tokenizer,
                         const Progress& progress);

}  // namespace ebb::data
