// SPDX-License-Identifier: Apache-2.0
#include "data/text_bytes.h"

#include <cstddef>
#include <cstring>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/sample.h"

namespace ebb::data {

std::int64_t count_text_bytes(Dataset& windows, const Tokenizer& tokenizer, std::int64_t first,
                              std::int64_t last) {
  const core::SampleSpec& spec = windows.spec();
  std::vector<std::vector<std::byte>> memory;
  for (const core::FieldSpec& field : spec.fields)
    memory.emplace_back(static_cast<std::size_t>(field.bytes()));
  const std::vector<std::span<std::byte>> fields(memory.begin(), memory.end());
  const auto place = static_cast<std::size_t>(&spec.at(core::kTokensField) - spec.fields.data());
  std::vector<std::int32_t> tokens(memory[place].size() / sizeof(std::int32_t));
  std::unordered_map<std::int32_t, std::int64_t> lengths;  // of the tokens seen
  std::int64_t bytes = 0;
  for (std::int64_t sample = first; sample < last; ++sample) {
    windows.read(sample, fields);
    std::memcpy(tokens.data(), memory[place].data(), memory[place].size());
    for (const std::int32_t token : std::span(tokens).subspan(1)) {
      const auto [found, is_new] = lengths.try_emplace(token, 0);
      if (is_new) found->second = tokenizer.bytes(token);
      bytes += found->second;
    }
  }
  return bytes;
}

}  // namespace ebb::data
