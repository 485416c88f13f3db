// SPDX-License-Identifier: Apache-2.0
#include "numerics/activation_ops.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace ebb::numerics {

at::Tensor framework_activation(const at::Tensor& z, Activation act) {
  switch (act) {
    case Activation::relu:
      return at::relu(z);
    case Activation::leaky_relu:
      return at::leaky_relu(z, kLeakySlope);
    case Activation::silu:
      return at::silu(z);
    case Activation::gelu:
      return at::gelu(z, "tanh");
    case Activation::none:
      return z;
  }
  return z;
}

at::Tensor piecewise_gradient(const at::Tensor& dy, const at::Tensor& y, Activation act) {
  if (act == Activation::none) return dy;
  return at::leaky_relu_backward(dy, y.detach(), act == Activation::relu ? 0.0 : kLeakySlope,
                                 /*self_is_result=*/true);
}

void check_operands(const char* op, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                    std::int64_t rank) {
  const bool fits =
      x.dim() == rank && w.dim() == rank && x.scalar_type() == w.scalar_type() && x.device() == w.device() &&
      (!b.defined() || (b.dim() == 1 && x.scalar_type() == b.scalar_type() && x.device() == b.device()));
  if (!fits)
    throw Error(ExitCode::internal,
                fmt::format("{}: x [{}] {} on {}, w [{}] {} and b {} do not match; they need {} and 1 "
                            "dimensions, one dtype and one device",
                            op, fmt::join(x.sizes(), ", "), c10::toString(x.scalar_type()), x.device().str(),
                            fmt::join(w.sizes(), ", "), c10::toString(w.scalar_type()),
                            b.defined() ? fmt::format("[{}] {}", fmt::join(b.sizes(), ", "),
                                                      c10::toString(b.scalar_type()))
                                        : "(none)",
                            rank));
}

bool needs_graph(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
  return c10::GradMode::is_enabled() &&
         (x.requires_grad() || w.requires_grad() || (b.defined() && b.requires_grad()));
}

}  // namespace ebb::numerics
