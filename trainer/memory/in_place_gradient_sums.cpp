// SPDX-License-Identifier: Apache-2.0
#include "memory/in_place_gradient_sums.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add_meta_dispatch.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/function.h>
#include <torch/library.h>

#include <vector>

namespace ebb::memory {
namespace {

using torch::autograd::get_current_node;
using torch::autograd::Node;

// The backward functions that run now, the innermost last: such a function may itself call backward.
thread_local std::vector<const Node*> running;

std::unique_ptr<at::ObserverContext> begin_function(const at::RecordFunction& /*function*/) {
  running.push_back(get_current_node().get());
  return nullptr;
}

void end_function(const at::RecordFunction& /*function*/, at::ObserverContext* /*context*/) {
  running.pop_back();
}

// Autograd adds gradients after a backward function has returned, while that is still its current node.
bool is_sum_of_autograd() {
  const std::shared_ptr<Node> node = get_current_node();
  return node != nullptr && !at::GradMode::is_enabled() && (running.empty() || running.back() != node.get());
}

bool has_one_owner(const at::Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.has_storage() && tensor.storage().use_count() == 1;
}

at::Tensor sum(const at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha) {
  if (!is_sum_of_autograd() || !has_one_owner(self) || !self.is_non_overlapping_and_dense())
    return at::meta::add(self, other, alpha);
  at::Tensor first = self;
  return at::meta::add_(first, other, alpha);
}

}  // namespace

struct InPlaceGradientSums::Registration {
  torch::Library library{torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__};
  at::CallbackHandle callback;
};

InPlaceGradientSums::InPlaceGradientSums() : registration_(std::make_unique<Registration>()) {
  registration_->library.impl("add.Tensor", TORCH_FN(sum));
  registration_->callback = at::addThreadLocalCallback(
      at::RecordFunctionCallback(begin_function, end_function).scopes({at::RecordScope::BACKWARD_FUNCTION}));
}

InPlaceGradientSums::~InPlaceGradientSums() {
  at::removeCallback(registration_->callback);
}

}  // namespace ebb::memory
