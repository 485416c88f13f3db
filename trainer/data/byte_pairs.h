// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <memory>

#include "data/tokenizer.h"

// Byte-pair encoding over bytes (Radford et al., "Language models are unsupervised multitask learners",
// 2019), with the vocabularies of GPT-2, Llama 3 and similar models. The files are those of Hugging Face
// tokenizers.
namespace ebb::data {

// Reads tokenizer.json: model BPE, no normalizer, the pre-tokenizer ByteLevel alone or after one Split by a
// regular expression. Error(data) names anything else that would change the tokens. Special tokens are its
// added_tokens, and those of tokenizer_config.json in its folder. <|endoftext|>, <|end_of_text|> or </s> ends
// a document.
std::unique_ptr<Tokenizer> open_byte_pairs(const std::filesystem::path& tokenizer_json);
// Reads GPT-2's two files, with its regular expression.
std::unique_ptr<Tokenizer> open_byte_pairs(const std::filesystem::path& vocab_json,
                                           const std::filesystem::path& merges_txt);

}  // namespace ebb::data
