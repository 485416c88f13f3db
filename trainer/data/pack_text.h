#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/pack.h"
#include "data/tokenizer.h"

namespace ebb::data {

struct PackTextOptions {
  std::vector<std::filesystem::path> inputs;  // text, or JSON lines where the name ends in .jsonl
  std::filesystem::path out;                  // the token file, or a folder where test_share is not 0
  double test_share = 0;                      // of the tokens, in [0, 1): the last ones, for evaluation
};

struct PackTextResult {
  std::int64_t tokens = 0, documents = 0, test_tokens = 0;
  bool already_there = false;
};

// Text (see text_source.h) -> a token file of llm.c (see token_file.h; u16, or u32 for a vocabulary that
// needs it), or train.bin and test.bin in the folder `out`. Inputs are read twice, in blocks: to count, then
// to write; progress is in tokens of the second time. A file appears whole or not at all. Where the files are
// there with these very tokens they are left alone; with others: Error(usage). An input without a byte of
// text, a line that is no such object, and a share that leaves either file empty: Error(data) with file and
// line.
PackTextResult pack_text(const PackTextOptions& options, const Tokenizer& tokenizer,
                         const Progress& progress);

}  // namespace ebb::data
