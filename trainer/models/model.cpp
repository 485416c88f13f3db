#include "models/model.h"

#include "models/vae/vae.h"

namespace ebb::models {

void ModelConfig::describe(config::Section& s) {
  s.choice("kind", kind, {{"vae", Kind::vae}})
      .doc("The family of the model. This version trains variational autoencoders.");
  vae.describe(s);
}

std::unique_ptr<Model> make_model(const ModelConfig& config, ImageSize size, numerics::Dtype dtype,
                                  at::Device device, std::uint64_t seed) {
  return std::make_unique<Vae>(config.vae, size, dtype, device, seed);
}

std::int64_t parameter_count(Model& model) {
  std::int64_t count = 0;
  for (const auto& [name, tensor] : model.state().tensors) count += tensor.numel();
  return count;
}

}  // namespace ebb::models
