// SPDX-License-Identifier: Apache-2.0
// config.json of a folder of weights: refused by name, or a model whose own config.json is equivalent.
#include <fmt/format.h>

#include "fuzz/input.h"
#include "models/gpt/hub.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  const auto json = nlohmann::json::parse(fuzz::text(data, size), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return 0;
  fuzz::refused_or_read(ExitCode::usage, [&] {
    const models::GptConfig config = models::from_hub_config(json);
    fuzz::require(config.vocabulary >= 1 && config.layers >= 1 && config.heads >= 1 && config.dim >= 1);
    fuzz::require(config.context.has_value() && *config.context >= 1);
    const auto again =
        models::from_hub_config(models::to_hub_config(config, *config.context, numerics::Dtype::fp16));
    fuzz::require(again.dim == config.dim && again.layers == config.layers && again.tied == config.tied);
    if (config.layers <= 100) fuzz::require(!models::hub_tensors(config, *config.context).empty());
  });
  return 0;
}
