// Logits of a saved language model, for a reference to be held against: ebb_logits CHECKPOINT TOKEN… prints
// one JSON array [tokens][vocabulary], what the model says after each of the tokens.
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "memory/ledger.h"
#include "train/load_model.h"

int main(int argc, char** argv) try {
  using namespace ebb;
  auto* ledger = new memory::Ledger;  // outlives every tensor
  memory::install(*ledger);
  const auto loaded = train::load_model(argv[1]);
  auto& sampler = *std::get<models::TextSampler*>(loaded.model->sampler());
  core::PlainRunner runner;
  models::KeyValues seen = sampler.begin(argc);
  nlohmann::json rows = nlohmann::json::array();
  for (int i = 2; i < argc; ++i) {
    const at::Tensor logits = sampler.next(at::full({1}, std::stoll(argv[i]), at::kLong), seen, runner);
    rows.push_back(
        std::vector<float>(logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + logits.numel()));
  }
  std::puts(rows.dump().c_str());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
