// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/phase.h"
#include "core/sample.h"
#include "core/stateful.h"
#include "models/bound_estimator.h"
#include "models/config.h"
#include "models/sample_writer.h"
#include "models/sampler.h"
#include "numerics/precision.h"

namespace ebb::models {

// The inputs from which a family makes a model.
struct ModelInputs {
  core::SampleSpec sample;  // has every field that the family reads
  numerics::Dtype dtype = numerics::Dtype::fp16;
  at::Device device = at::kCPU;
  std::uint64_t seed = 0;
};

// A generative model on one device. It is independent of ranks and runs its units through a UnitRunner. A
// parameter is read only in the run of its unit, or of a unit whose ties contain that unit. Its State holds
// every parameter by name; values.sample is the spec of its samples.
class Model : public core::Stateful {
 public:
  explicit Model(core::SampleSpec sample) : sample_(std::move(sample)) {}
  core::State state() override;
  void restore(const nlohmann::json&) override {}
  // At least one, the same on every call. A step runs them in this order. An evaluation uses the loss of the
  // first one, without gradients (see core::Phase).
  virtual std::vector<core::Phase*> phases() = 0;
  // Floating-point operations of training on one sample of T tokens: T (6 P + 12 L T C) for P parameters,
  // L layers and a width of C (Chowdhery et al., "PaLM", 2022). 0: not counted.
  [[nodiscard]] virtual double flops_per_sample() { return 0; }
  // Its samplers; null for those that it does not have.
  virtual ImageSampler* image_sampler() { return nullptr; }
  virtual ImageReconstructor* image_reconstructor() { return nullptr; }
  virtual TextSampler* text_sampler() { return nullptr; }
  // Null: it has no bound of log p(x) by draws of a code.
  virtual BoundEstimator* bound_estimator() { return nullptr; }
  // Writes the files of its family's FamilyTexts::sample_files.
  virtual void write_samples(SampleSource& source, SampleSink& sink, core::UnitRunner& runner) = 0;

 protected:
  const core::SampleSpec sample_;
};

// The chosen family's model, with parameters on `device` in `dtype` (class parameters), not initialised.
// Error(usage) if the family does not support samples of these fields or sizes. Error(internal) if two
// parameters have one name.
std::unique_ptr<Model> make_model(const ModelConfig& config, const core::SampleSpec& sample,
                                  numerics::Dtype dtype, at::Device device, std::uint64_t seed);

// The parameters of all units of all phases, in their order, each unit once.
std::vector<core::Parameter> all_parameters(Model& model);
// Elements of all parameters of a model.
std::int64_t parameter_count(Model& model);

}  // namespace ebb::models
