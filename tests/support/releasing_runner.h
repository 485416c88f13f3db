// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "core/unit.h"

namespace ebb::test {

// Holds the parameters of a unit only while its forward or its backward runs, as a runner that shards them
// does. They are NaN from the end of a recorded run until backward reaches an output of the unit. A result
// that depends on a read at another time is therefore NaN. Without a graph it changes nothing.
class ReleasingRunner final : public core::UnitRunner {
 public:
  // `log`: a file to which it writes the name of each unit that runs, once, in a line of its own.
  explicit ReleasingRunner(const std::string& log) : log_(log) {}

  using UnitRunner::run;
  Tensors run(core::Unit& unit, const std::function<Tensors(const Tensors&)>& body,
              const Tensors& inputs) override {
    if (ran_.insert(unit.name).second) log_ << unit.name << std::endl;
    gather_all(unit);
    Tensors outputs = body(inputs);
    bool recorded = false;
    for (const at::Tensor& output : outputs) {
      if (!output.requires_grad()) continue;
      recorded = true;
      output.register_hook([this, &unit](const at::Tensor&) { gather_all(unit); });
    }
    if (recorded) release_all(unit);
    return outputs;
  }

 private:
  void gather_all(const core::Unit& unit) {
    gather(unit);
    for (const core::Unit* tie : unit.ties) gather(*tie);
  }
  void release_all(const core::Unit& unit) {
    release(unit);
    for (const core::Unit* tie : unit.ties) release(*tie);
  }
  // variable_data(): a write to the tensor itself would invalidate the values that autograd saved for
  // backward.
  void gather(const core::Unit& unit) {
    const at::NoGradGuard no_grad;
    for (const core::Parameter& parameter : unit.parameters) {
      const auto released = released_.find(parameter.name);
      if (released == released_.end()) continue;
      parameter.tensor.variable_data().copy_(released->second);
      released_.erase(released);
    }
  }
  void release(const core::Unit& unit) {
    const at::NoGradGuard no_grad;
    for (const core::Parameter& parameter : unit.parameters) {
      const at::Tensor data = parameter.tensor.variable_data();
      released_.emplace(parameter.name, data.clone());
      data.fill_(std::nan(""));
    }
  }

  std::ofstream log_;
  std::set<std::string> ran_;
  std::map<std::string, at::Tensor> released_;  // the values, by name; empty between steps
};

}  // namespace ebb::test
