// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <memory>

#include "data/tokenizer.h"

// Tokenizers of the sentencepiece library (Kudo and Richardson, "SentencePiece", 2018).
namespace ebb::data {

// Bytes that are not UTF-8 become the pieces of these bytes. Error(data) names a file that is no model.
// encode(): Error(data) with the offset of such a byte, if the model has no pieces for bytes; and for a text
// above Tokenizer::kPartBytes, if the model adds a space at the end of a text.
std::unique_ptr<Tokenizer> open_sentence_pieces(const std::filesystem::path& model);

}  // namespace ebb::data
