// SPDX-License-Identifier: Apache-2.0
#include "models/family.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "core/sample.h"
#include "models/gpt/config.h"
#include "models/gpt/hub.h"

namespace ebb::models {

namespace {

std::vector<Measure> measures_of_text(const TestResult& result) {
  const double perplexity = std::exp(result.loss);
  // The text of the result already has these two.
  std::vector<Measure> all = {{"loss", result.loss, ""}, {"perplexity", perplexity, ""}};
  if (!result.text || result.text->bytes == 0) return all;
  const double bits = result.loss * static_cast<double>(result.text->tokens) /
                      (static_cast<double>(result.text->bytes) * std::numbers::ln2);
  all.push_back({"bits_per_byte", bits, fmt::format("{:.4f} bits per byte of text", bits)});
  return all;
}

}  // namespace

Family gpt_family() {
  Family family;
  family.name = "gpt";
  family.doc = "a decoder-only transformer of text";
  family.reads = {std::string(core::kTokensField)};
  family.throughput.name = "tokens";
  family.throughput.per_sample = [](const core::SampleSpec& sample) {
    return sample.at(core::kTokensField).dims[0] - 1;  // the last one is only a target
  };
  family.new_config = [] { return std::make_unique<FamilyConfigOf<GptConfig>>(); };
  family.hub = gpt_hub_format();
  family.texts.result = [](const TestResult& result, const RunFacts& facts) {
    return fmt::format(
        "{} loss {:.4f} nats per token (perplexity {:.3f}, {:.3f} bits), mean of {} windows of {} tokens",
        result.split, result.loss, std::exp(result.loss), result.loss / std::numbers::ln2, result.samples,
        facts.data_context);
  };
  family.texts.measures = measures_of_text;
  family.texts.sample_options = [](const RunFacts& facts) {
    return facts.tokenizer == "none" ? "--prompt '1' --tokens 200" : "--prompt 'In the' --tokens 500";
  };
  family.texts.sample_files = {
      {"samples.txt", "beginnings of test windows, each with the model's continuation"}};
  return family;
}

}  // namespace ebb::models
