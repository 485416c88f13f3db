// SPDX-License-Identifier: Apache-2.0
#include "memory/backward_function.h"

#include <torch/csrc/autograd/function.h>

namespace ebb::memory {

// "torch::autograd::CppNode<ebb::numerics::(anonymous namespace)::Linear>" -> "Linear"
std::string backward_function() {
  const auto node = torch::autograd::get_current_node();
  if (node == nullptr) return "";
  std::string name = node->name();
  if (name.ends_with('>')) name.pop_back();
  const std::size_t colons = name.rfind("::");
  return colons == std::string::npos ? name : name.substr(colons + 2);
}

}  // namespace ebb::memory
