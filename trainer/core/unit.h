// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ebb::core {

struct Parameter {
  std::string name;   // "encoder.conv1.weight"
  at::Tensor tensor;  // leaf, requires grad, in the run's dtype on the run's device
  bool decay = true;  // weight decay applies to it (to matrices, not to biases and norms)
  std::function<at::Tensor()>
      initial;  // fp32 initial value of the same shape on the CPU, a pure function of the run's seed
  // Number of gradients that one backward pass accumulates into it. More than 1 if a nested or second
  // backward reaches it again. 0: unknown; its bucket is then reduced after backward.
  std::int64_t gradients_per_backward = 1;
};

// Parameters that a UnitRunner may gather before they are read, and release together afterwards.
struct Unit {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<Unit*> ties = {};  // units whose parameters it also reads: a tied head reads the embedding's
};

// Runs the computation of a unit: `body` maps input tensors to output tensors, and reads only parameters of
// the unit and of its ties. PlainRunner just calls `body`. Other runners may gather the parameters before it
// and release them afterwards, or run `body` again in backward.
//
// A runner may copy `body` and call it again until the backward of the unit has ended, long after run() has
// returned. `body` must therefore capture all values that it needs by value. It may capture a reference only
// to the model, which lives longer. It must give the same bits for the same inputs and parameters.
class UnitRunner {
 public:
  using Tensors = std::vector<at::Tensor>;
  virtual ~UnitRunner() = default;
  virtual Tensors run(Unit& unit, const std::function<Tensors(const Tensors&)>& body,
                      const Tensors& inputs) = 0;
  at::Tensor run(Unit& unit, const std::function<at::Tensor(const at::Tensor&)>& body,
                 const at::Tensor& input) {
    return run(unit, [body](const Tensors& inputs) { return Tensors{body(inputs[0])}; }, Tensors{input})[0];
  }
};

class PlainRunner final : public UnitRunner {
 public:
  using UnitRunner::run;
  Tensors run(Unit&, const std::function<Tensors(const Tensors&)>& body, const Tensors& inputs) override {
    return body(inputs);
  }
};

}  // namespace ebb::core
