// SPDX-License-Identifier: Apache-2.0
#include "numerics/linear_ops.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "numerics/cpu/convolution.h"
#include "numerics/cpu/linear.h"
#include "numerics/gpu/ops.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor framework_activation(const at::Tensor& z, Activation act) {
  switch (act) {
    case Activation::relu:
      return at::relu(z);
    case Activation::silu:
      return at::silu(z);
    case Activation::gelu:
      return at::gelu(z, "tanh");
    case Activation::none:
      return z;
  }
  return z;
}

// Whether backward needs the pre-activation instead of the output.
bool keeps_pre_activation(Activation act) {
  return act == Activation::silu || act == Activation::gelu;
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

// An image that the kernels read without a copy: contiguous, or channels innermost.
at::Tensor dense(const at::Tensor& t) {
  return t.is_contiguous() || t.is_contiguous(at::MemoryFormat::ChannelsLast) ? t : t.contiguous();
}

// The tensor that backward needs: the output for relu, which the next layer keeps anyway, and the
// pre-activation for silu and gelu.
at::Tensor saved_for_backward(Activation act, const at::Tensor& y, const at::Tensor& pre_activation) {
  return act == Activation::relu ? y : pre_activation;
}

std::array<bool, 3> wanted(const AutogradContext* ctx, bool bias = true) {
  return {ctx->needs_input_grad(0), ctx->needs_input_grad(1), bias && ctx->needs_input_grad(2)};
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias, std::int64_t act, bool graph,
                            std::int64_t workspace_bytes) {
    const auto activation = static_cast<Activation>(act);
    const at::Tensor xc = x.contiguous(), b = bias ? bias->contiguous() : at::Tensor();
    const bool keep = graph && keeps_pre_activation(activation);
    auto [y, pre_activation] =
        x.is_cuda() ? gpu::linear_forward(xc, w.contiguous(), b, activation, keep)
                    : cpu::linear_forward(xc, w.contiguous(), b, activation, keep, workspace_bytes);
    ctx->save_for_backward({xc, w, saved_for_backward(activation, y, pre_activation)});
    ctx->saved_data["act"] = act;
    ctx->saved_data["bias"] = b.defined();
    ctx->saved_data["workspace_bytes"] = workspace_bytes;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("linear");
    const auto saved = ctx->get_saved_variables();
    const auto act = static_cast<Activation>(ctx->saved_data["act"].toInt());
    const at::Tensor dyc = dy[0].contiguous(), w = saved[1].contiguous();
    const auto of = wanted(ctx, ctx->saved_data["bias"].toBool());
    auto grads = dyc.is_cuda() ? gpu::linear_backward(dyc, saved[0], w, saved[2], act, of)
                               : cpu::linear_backward(dyc, saved[0], w, saved[2], act, of,
                                                      ctx->saved_data["workspace_bytes"].toInt());
    return {grads[0], grads[1], grads[2], {}, {}, {}};
  }
};

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w,
                            const at::Tensor& b, std::int64_t stride, std::int64_t padding, bool transposed,
                            std::int64_t act, bool graph, std::int64_t workspace_bytes) {
    const auto activation = static_cast<Activation>(act);
    const at::Tensor xc = dense(x);
    const auto g = cpu::geometry(xc, w, stride, padding, transposed);
    auto [y, pre_activation] = cpu::conv_forward(g, xc, w.contiguous(), b.contiguous(), activation,
                                                 graph && keeps_pre_activation(activation), workspace_bytes);
    ctx->save_for_backward({xc, w, saved_for_backward(activation, y, pre_activation)});
    ctx->saved_data["act"] = act;
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["padding"] = padding;
    ctx->saved_data["transposed"] = transposed;
    ctx->saved_data["workspace_bytes"] = workspace_bytes;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    const bool transposed = ctx->saved_data["transposed"].toBool();
    refuse_second_derivative(transposed ? "conv_transpose2d" : "conv2d");
    const auto saved = ctx->get_saved_variables();
    const auto act = static_cast<Activation>(ctx->saved_data["act"].toInt());
    const auto g = cpu::geometry(saved[0], saved[1], ctx->saved_data["stride"].toInt(),
                                 ctx->saved_data["padding"].toInt(), transposed);
    auto grads = cpu::conv_backward(g, dense(dy[0]), saved[0], saved[1].contiguous(), saved[2], act,
                                    wanted(ctx), ctx->saved_data["workspace_bytes"].toInt());
    return {grads[0], grads[1], grads[2], {}, {}, {}, {}, {}, {}};
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

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, std::int64_t stride,
                  std::int64_t padding, Activation act, std::int64_t workspace_bytes) {
  check_operands("conv2d", x, w, b, 4);
  if (x.is_cuda()) return framework_activation(at::conv2d(x, w, b, stride, padding), act);
  return Convolution::apply(x, w, b, stride, padding, false, static_cast<std::int64_t>(act),
                            needs_graph(x, w, b), workspace_bytes);
}

at::Tensor conv_transpose2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                            std::int64_t stride, std::int64_t padding, Activation act,
                            std::int64_t workspace_bytes) {
  check_operands("conv_transpose2d", x, w, b, 4);
  if (x.is_cuda()) return framework_activation(at::conv_transpose2d(x, w, b, stride, padding), act);
  return Convolution::apply(x, w, b, stride, padding, true, static_cast<std::int64_t>(act),
                            needs_graph(x, w, b), workspace_bytes);
}

}  // namespace ebb::numerics
