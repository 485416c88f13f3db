// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "data/dataset.h"
#include "data/tokenizer.h"

namespace ebb::data {

// The bytes of text that the targets of samples [first, last) stand for: the tokens 1 to T of the field
// tokens, each as Tokenizer::bytes() counts it. `windows` has samples of this field. It holds one sample
// and the length of each token that it has seen. Error(internal) if a sample does not exist or has no such
// field; errors of Dataset::read().
std::int64_t count_text_bytes(Dataset& windows, const Tokenizer& tokenizer, std::int64_t first,
                              std::int64_t last);

}  // namespace ebb::data
