#pragma once
#include <filesystem>
#include <memory>

#include "data/tokenizer.h"

// Byte-pair encoding over bytes (Radford et al., "Language models are unsupervised multitask learners",
// 2019), with the vocabularies of GPT-2, Llama 3 and their like as the Hugging Face tokenizers write them.
namespace ebb::data {

// tokenizer.json: model BPE, no normalizer, the pre-tokenizer ByteLevel alone or after one Split by a regular
// expression; anything else that would change the tokens is refused by name. Special tokens are its
// added_tokens; <|endoftext|>, <|end_of_text|> or </s> ends a document.
std::unique_ptr<Tokenizer> open_byte_pairs(const std::filesystem::path& tokenizer_json);
// GPT-2's own two files, with its regular expression.
std::unique_ptr<Tokenizer> open_byte_pairs(const std::filesystem::path& vocab_json,
                                           const std::filesystem::path& merges_txt);

}  // namespace ebb::data
