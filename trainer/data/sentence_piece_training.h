// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>

#include "data/text_source.h"

namespace ebb::data {

struct TrainTokenizerOptions {
  TextInputs inputs;
  std::filesystem::path out;  // ends in .model
  std::int64_t vocabulary = 4096;
  bool byte_pairs = true;  // else unigrams
};

// Trains a sentencepiece model on the lines of the inputs, without bytes that are not UTF-8. Words above 1024
// bytes are divided. Bytes are a fallback, so every text has tokens. Decoded, they are the same text, except
// that U+2581 becomes a space. The library holds the text in memory: at most ten million lines, drawn from
// all. The file appears complete or not at all.
//
// Error(usage) if `out` exists or does not end in .model. Error(data) for an unreadable input, and for a
// vocabulary that the text cannot fill, with the library's message. Error(memory) if the system refuses
// memory. Returns the number of bad lines of JSON that it skipped.
std::int64_t train_tokenizer(const TrainTokenizerOptions& options);

}  // namespace ebb::data
