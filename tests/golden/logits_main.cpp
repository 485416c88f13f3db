// SPDX-License-Identifier: Apache-2.0
// Prints the logits of a saved language model, for a comparison with a reference:
//   ebb_logits CHECKPOINT TOKEN…
// The output is one JSON array [tokens][vocabulary]: the logits after each token.
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "data/format.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "models/built_in.h"
#include "train/load_model.h"

int main(int argc, char** argv) try {
  using namespace ebb;
  auto* ledger = new memory::Ledger;  // outlives every tensor
  memory::install(*ledger);
  const auto loaded = train::load_model(argv[1], {models::built_in_families(), data::builtin_formats()});
  auto& sampler = *loaded.model->text_sampler();
  core::PlainRunner runner;
  models::KeyValueCache cache = sampler.begin(argc);
  nlohmann::json rows = nlohmann::json::array();
  for (int i = 2; i < argc; ++i) {
    const at::Tensor logits = sampler.next(at::full({1}, std::stoll(argv[i]), at::kLong), cache, runner);
    rows.push_back(
        std::vector<float>(logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + logits.numel()));
  }
  std::puts(rows.dump().c_str());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
