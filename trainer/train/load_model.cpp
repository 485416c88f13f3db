#include "train/load_model.h"

#include <ATen/core/grad_mode.h>

#include "checkpoint/store.h"
#include "config/document.h"

namespace ebb::train {

LoadedModel load_model(const std::filesystem::path& path) {
  const checkpoint::Loaded part = checkpoint::read_part(path, "model");
  Config config;
  config::Section section = described(config);
  config::load_text(part.resolved_config, path.string(), {}, section);
  LoadedModel loaded{
      models::make_model(config.model, models::sample_from_json(part.values.at("sample")),
                         config.precision.dtype, at::kCPU, static_cast<std::uint64_t>(config.run.seed)),
      config, part.step};
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : loaded.model->state().tensors) {
    const auto saved = part.tensors.find(name);
    if (saved == part.tensors.end() || saved->second.sizes() != tensor.sizes())
      throw Error(ExitCode::checkpoint, path.string() + " holds no parameter " + name +
                                            " of the shape that its own configuration asks for");
    tensor.copy_(saved->second);
  }
  return loaded;
}

}  // namespace ebb::train
