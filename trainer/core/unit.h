#pragma once
#include <ATen/ATen.h>

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
};

// Parameters that live together: gathered, reduced and released as one.
struct Unit {
  std::string name;
  std::vector<Parameter> parameters;
};

// Runs a unit's computation. The plain one calls it; others gather parameters before and release them after,
// or recompute.
class UnitRunner {
 public:
  virtual ~UnitRunner() = default;
  virtual at::Tensor run(Unit& unit, const std::function<at::Tensor(const at::Tensor&)>& body,
                         const at::Tensor& input) = 0;
};

class PlainRunner final : public UnitRunner {
 public:
  at::Tensor run(Unit&, const std::function<at::Tensor(const at::Tensor&)>& body,
                 const at::Tensor& input) override {
    return body(input);
  }
};

}  // namespace ebb::core
