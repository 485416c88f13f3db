// SPDX-License-Identifier: Apache-2.0
#include "numerics/linear.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "numerics/activation_ops.h"
#include "numerics/cpu/linear.h"
#include "numerics/gpu/ops.h"
#include "numerics/matmul.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::array<bool, 3> wanted(const AutogradContext* ctx) {
  return {ctx->needs_input_grad(0), ctx->needs_input_grad(1),
          ctx->saved_data.at("bias").toBool() && ctx->needs_input_grad(2)};
}

// The gradients as ops, for a backward that is differentiated again.
variable_list linear_gradients(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& w,
                               const at::Tensor& y, Activation act, std::array<bool, 3> of) {
  const at::Tensor dz = piecewise_gradient(dy, y, act);
  return {of[0] ? matmul(dz, Transpose::no, w, Transpose::no) : at::Tensor(),
          of[1] ? matmul(dz, Transpose::yes, x, Transpose::no) : at::Tensor(),
          of[2] ? at::sum(dz, {0}, false, at::kFloat).to(dz.scalar_type()) : at::Tensor(),
          {},
          {},
          {}};
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias, std::int64_t act, bool graph,
                            std::int64_t workspace_bytes) {
    const auto activation = static_cast<Activation>(act);
    const at::Tensor xc = x.contiguous(), b = bias ? bias->contiguous() : at::Tensor();
    const bool keep = graph && keeps_pre_activation(activation);
    auto [y, pre_activation] =
        on_gpu(x) ? gpu::linear_forward(xc, w.contiguous(), b, activation, keep)
                  : cpu::linear_forward(xc, w.contiguous(), b, activation, keep, workspace_bytes);
    ctx->save_for_backward({xc, w, saved_for_backward(activation, y, pre_activation)});
    ctx->saved_data["act"] = act;
    ctx->saved_data["bias"] = b.defined();
    ctx->saved_data["workspace_bytes"] = workspace_bytes;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    const auto saved = ctx->get_saved_variables();
    const auto act = static_cast<Activation>(ctx->saved_data["act"].toInt());
    const auto of = wanted(ctx);
    if (c10::GradMode::is_enabled()) {
      if (!is_piecewise_linear(act)) refuse_second_derivative("linear");
      return linear_gradients(dy[0], saved[0], saved[1], saved[2], act, of);
    }
    const at::Tensor dyc = dy[0].contiguous(), w = saved[1].contiguous();
    auto grads = on_gpu(dyc) ? gpu::linear_backward(dyc, saved[0], w, saved[2], act, of)
                             : cpu::linear_backward(dyc, saved[0], w, saved[2], act, of,
                                                    ctx->saved_data["workspace_bytes"].toInt());
    return {grads[0], grads[1], grads[2], {}, {}, {}};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, Activation act,
                  std::int64_t workspace_bytes) {
  if (x.dim() != 2) {
    if (x.dim() == 0) throw Error(ExitCode::internal, "linear: x is a single number, not rows");
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = w.size(0);
    return linear(x.reshape({-1, x.size(-1)}), w, b, act, workspace_bytes).view(shape);
  }
  check_operands("linear", x, w, b, 2);
  if (x.size(1) != w.size(1) || (b.defined() && b.size(0) != w.size(0)))
    throw Error(ExitCode::internal,
                fmt::format("linear: x [{}] does not fit w [{}] and b [{}]", fmt::join(x.sizes(), ", "),
                            fmt::join(w.sizes(), ", "), b.defined() ? b.size(0) : 0));
  return Linear::apply(x, w, b.defined() ? std::optional(b) : std::nullopt, static_cast<std::int64_t>(act),
                       needs_graph(x, w, b), workspace_bytes);
}

}  // namespace ebb::numerics
