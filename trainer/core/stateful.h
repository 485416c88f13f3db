// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace ebb::core {

// The state of one part of a run: tensors by name (references, not copies) and small values.
struct State {
  std::map<std::string, at::Tensor> tensors;
  nlohmann::json values = nlohmann::json::object();
};

// Saves and restores exactly. `state()` returns live tensors. checkpoint::Store::load() copies into them in
// place, then calls `restore` with the saved values. A restart therefore allocates no second copy.
class Stateful {
 public:
  virtual ~Stateful() = default;
  virtual State state() = 0;
  virtual void restore(const nlohmann::json& values) = 0;
};

}  // namespace ebb::core
