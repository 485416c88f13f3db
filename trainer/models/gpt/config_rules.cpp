// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "models/family.h"
#include "models/gpt/config.h"

namespace ebb::models {

std::vector<FamilyRule> GptConfig::rules() const {
  const auto holds_a_window = [this](const RunFacts& facts) -> std::string {
    if (context_for(facts.data_context) >= facts.data_context) return "";
    return fmt::format(
        "a context of {} tokens cannot hold windows of {}: set model.context=auto, or data.context to at "
        "most "
        "{}",
        *context, facts.data_context, *context);
  };
  const auto knows_the_tokens = [this](const RunFacts& facts) -> std::string {
    if (facts.tokenizer == "none") return "";
    try {
      const std::int64_t tokens = facts.tokenizer_vocabulary();
      if (vocabulary >= tokens) return "";
      return fmt::format(
          "the tokenizer {} has {} tokens, but the vocabulary of the model {}: set model.vocabulary={}",
          facts.tokenizer, tokens, vocabulary, tokens);
    } catch (const Error& error) {
      return error.what();
    }
  };
  const auto has_documents_in_16_bits = [this](const RunFacts& facts) -> std::string {
    if (!document_end || !facts.requires_gpu || facts.dtype != numerics::Dtype::fp32) return "";
    return "attention within documents needs 16 bits on a GPU: set precision.dtype=bf16, "
           "model.document_end=auto, or run.device=cpu";
  };
  return {{{"model.context", "data.context"}, holds_a_window},
          {{"model.vocabulary", "data.tokenizer"}, knows_the_tokens},
          {{"model.document_end", "run.device", "precision.dtype"}, has_documents_in_16_bits}};
}

}  // namespace ebb::models
