#pragma once
#include "config/section.h"
#include "models/gpt/config.h"
#include "models/vae/config.h"

namespace ebb::models {

enum class Kind { vae, gpt };

struct ModelConfig {
  Kind kind = Kind::vae;
  VaeConfig vae;
  GptConfig gpt;
  void describe(config::Section& s);
};

}  // namespace ebb::models
