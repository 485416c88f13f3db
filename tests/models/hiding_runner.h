// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/model.h"

namespace ebb::models::testing {

// Fills all parameters of a model with NaN. While a unit runs, those of the unit and of its ties have their
// values. A parameter that is read outside makes the result NaN. Records what has run. For use without
// gradients; its destructor restores the values.
class HidingRunner final : public core::UnitRunner {
 public:
  explicit HidingRunner(Model& model) {
    const at::NoGradGuard no_grad;
    for (core::Phase* phase : model.phases())
      for (core::Unit* unit : phase->units()) {
        for (const core::Parameter& parameter : unit->parameters)
          hidden_.push_back({unit, parameter.tensor, parameter.tensor.clone()});
        hide(*unit);
      }
  }
  ~HidingRunner() override {
    const at::NoGradGuard no_grad;
    for (const Hidden& one : hidden_) one.tensor.copy_(one.value);
  }
  HidingRunner(const HidingRunner&) = delete;
  HidingRunner& operator=(const HidingRunner&) = delete;

  using UnitRunner::run;
  Tensors run(core::Unit& unit, const std::function<Tensors(const Tensors&)>& body,
              const Tensors& inputs) override {
    const at::NoGradGuard no_grad;
    ran_.insert(unit.name);
    show(unit);
    for (core::Unit* tie : unit.ties) show(*tie);
    Tensors outputs = body(inputs);
    hide(unit);
    for (core::Unit* tie : unit.ties) hide(*tie);
    return outputs;
  }

  [[nodiscard]] const std::set<std::string>& ran() const { return ran_; }

 private:
  struct Hidden {
    const core::Unit* unit;
    at::Tensor tensor, value;
  };
  void show(const core::Unit& unit) {
    for (const Hidden& one : hidden_)
      if (one.unit == &unit) one.tensor.copy_(one.value);
  }
  void hide(const core::Unit& unit) {
    for (const Hidden& one : hidden_)
      if (one.unit == &unit) one.tensor.fill_(std::nan(""));
  }
  std::vector<Hidden> hidden_;
  std::set<std::string> ran_;
};

}  // namespace ebb::models::testing
