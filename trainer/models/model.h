#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "config/section.h"
#include "core/phase.h"
#include "core/stateful.h"
#include "models/vae/config.h"
#include "numerics/precision.h"

namespace ebb::models {

enum class Kind { vae };

struct ModelConfig {
  Kind kind = Kind::vae;
  VaeConfig vae;
  void describe(config::Section& s);
};

// What the data looks like to a model: images of C x H x W bytes.
struct ImageSize {
  std::int64_t channels, height, width;
};

// A generative model on one device. It knows no ranks: it runs its units through the runner that it is given.
// Its State holds every parameter by name.
class Model : public core::Stateful {
 public:
  virtual std::vector<core::Phase*> phases() = 0;
  // `count` new images [count, C, H, W] uint8 on the CPU: a pure function of the parameters, the seed and
  // each image's number.
  virtual at::Tensor sample(std::int64_t count, std::uint64_t seed, core::UnitRunner& runner) = 0;
  // The model's image of each image, [N, C, H, W] uint8 on the CPU.
  virtual at::Tensor reconstruct(const at::Tensor& images, core::UnitRunner& runner) = 0;
};

// Makes the parameters on `device` in `dtype`, class parameters, without values. Sizes that the family cannot
// take: Error(usage).
std::unique_ptr<Model> make_model(const ModelConfig& config, ImageSize size, numerics::Dtype dtype,
                                  at::Device device, std::uint64_t seed);

// Elements of all parameters of a model.
std::int64_t parameter_count(Model& model);

}  // namespace ebb::models
