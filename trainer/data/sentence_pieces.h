// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "data/text_source.h"
#include "data/tokenizer.h"

// Tokenizers of the sentencepiece library (Kudo and Richardson, "SentencePiece", 2018).
namespace ebb::data {

std::unique_ptr<Tokenizer> open_sentence_pieces(const std::filesystem::path& model);

struct TrainTokenizerOptions {
  TextInputs inputs;
  std::filesystem::path out;  // ends in .model
  std::int64_t vocabulary = 4096;
  bool byte_pairs = true;  // else unigrams
};

// Trains a model on the lines of the inputs. Bytes are a fallback, so every text has tokens. The library
// holds the text in memory: at most ten million lines, drawn from all. The file appears complete or not at
// all. Error(usage) if `out` exists or does not end in .model. Error(data) for an unreadable input, and for a
// vocabulary that the text cannot fill, with the library's message.
void train_tokenizer(const TrainTokenizerOptions& options);

}  // namespace ebb::data
