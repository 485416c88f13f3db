// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/unit.h"

namespace ebb::test {

// Keeps each run of a unit and can repeat it later, as a runner that computes a unit again in backward does.
class ReplayingRunner final : public core::UnitRunner {
 public:
  using UnitRunner::run;
  Tensors run(core::Unit& unit, const std::function<Tensors(const Tensors&)>& body,
              const Tensors& inputs) override {
    Tensors outputs = body(inputs);
    runs_.push_back({unit.name, body, inputs, outputs});
    return outputs;
  }

  // Calls all bodies again, the last one first. Returns the names of the units whose outputs have other bits
  // than in the first call.
  [[nodiscard]] std::set<std::string> replay() const {
    std::set<std::string> different;
    for (auto one = runs_.rbegin(); one != runs_.rend(); ++one) {
      const Tensors again = one->body(one->inputs);
      bool same = again.size() == one->outputs.size();
      for (std::size_t i = 0; same && i < again.size(); ++i) same = at::equal(again[i], one->outputs[i]);
      if (!same) different.insert(one->unit);
    }
    return different;
  }
  [[nodiscard]] std::set<std::string> ran() const {
    std::set<std::string> names;
    for (const Run& one : runs_) names.insert(one.unit);
    return names;
  }

 private:
  struct Run {
    std::string unit;
    std::function<Tensors(const Tensors&)> body;
    Tensors inputs, outputs;
  };
  std::vector<Run> runs_;
};

}  // namespace ebb::test
