#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>
#include <vector>

#include "core/phase.h"
#include "core/sample.h"
#include "core/stateful.h"
#include "models/config.h"
#include "models/sampler.h"
#include "numerics/precision.h"

namespace ebb::models {

// A generative model on one device. It knows no ranks: it runs its units through the runner that it is given.
// Its State holds every parameter by name, and the samples that it was made for as values.sample.
class Model : public core::Stateful {
 public:
  explicit Model(core::SampleSpec sample) : sample_(std::move(sample)) {}
  core::State state() override;
  void restore(const nlohmann::json&) override {}
  virtual std::vector<core::Phase*> phases() = 0;
  // Floating-point operations of training on one sample, counted as 6 for each parameter and token and 12 L T
  // C for attention (Chowdhery et al., "PaLM", 2022); 0: not counted.
  [[nodiscard]] virtual double flops_per_sample() { return 0; }
  // How new samples are made with it.
  virtual std::variant<ImageSampler*, TextSampler*> sampler() = 0;

 protected:
  const core::SampleSpec sample_;
};

// Makes the parameters on `device` in `dtype`, class parameters, without values. Sizes that the family cannot
// take: Error(usage).
std::unique_ptr<Model> make_model(const ModelConfig& config, const core::SampleSpec& sample,
                                  numerics::Dtype dtype, at::Device device, std::uint64_t seed);

// Those of all units of all phases, in their order.
std::vector<core::Parameter> all_parameters(Model& model);
// Elements of all parameters of a model.
std::int64_t parameter_count(Model& model);

}  // namespace ebb::models
