#include "models/config.h"

namespace ebb::models {

void ModelConfig::describe(config::Section& s) {
  s.choice("kind", kind, {{"vae", Kind::vae}, {"gpt", Kind::gpt}})
      .doc(
          "The family of the model. vae: a variational autoencoder of images. gpt: a decoder-only "
          "transformer of text.");
  s.only_where(
      "model.kind is vae", [this] { return kind == Kind::vae; },
      [this](config::Section& keys) { vae.describe(keys); });
  s.only_where(
      "model.kind is gpt", [this] { return kind == Kind::gpt; },
      [this](config::Section& keys) { gpt.describe(keys); });
}

}  // namespace ebb::models
