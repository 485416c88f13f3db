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
  bool decay = true;  // takes weight decay (matrices do; biases and norms do not)
  std::function<at::Tensor()>
      initial;  // fp32 initial value of the same shape on the CPU, a pure function of the run's seed
  // How often one backward pass hands over a gradient of it: more than once where a nested backward or a
  // second one reaches it again. 0: not known, its reduction waits for the end of backward.
  std::int64_t arrivals = 1;
};

// Parameters that live together: gathered, reduced and released as one.
struct Unit {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<Unit*> ties = {};  // units whose parameters its runs read as well: a tied head the embedding
};

// Runs a unit's computation, of some tensors to some tensors. `body` reads no parameters but those of the
// unit and of its ties. The plain runner calls it; others gather parameters before and release them after, or
// recompute.
class UnitRunner {
 public:
  using Tensors = std::vector<at::Tensor>;
  virtual ~UnitRunner() = default;
  virtual Tensors run(Unit& unit, const std::function<Tensors(const Tensors&)>& body,
                      const Tensors& inputs) = 0;
  at::Tensor run(Unit& unit, const std::function<at::Tensor(const at::Tensor&)>& body,
                 const at::Tensor& input) {
    return run(unit, [&](const Tensors& inputs) { return Tensors{body(inputs[0])}; }, Tensors{input})[0];
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
