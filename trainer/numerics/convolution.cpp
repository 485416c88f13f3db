// SPDX-License-Identifier: Apache-2.0
#include "numerics/convolution.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "numerics/activation_ops.h"
#include "numerics/cpu/convolution.h"
#include "numerics/dry_gpu.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics {
namespace {

using cpu::Geometry;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// An image that the kernels read without a copy: contiguous, or channels innermost.
at::Tensor dense(const at::Tensor& t) {
  return t.is_contiguous() || t.is_contiguous(at::MemoryFormat::ChannelsLast) ? t : t.contiguous();
}

std::vector<std::int64_t> sizes_of(const Geometry& g) {
  return {g.batch,   g.big_c, g.big_h, g.big_w,  g.small_c, g.small_h,
          g.small_w, g.kh,    g.kw,    g.stride, g.padding, g.groups};
}

Geometry geometry_of(const std::vector<std::int64_t>& s, bool transposed) {
  return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], transposed};
}

// Convolution, transposed convolution and the gradient of the weight are the three partial derivatives of one
// trilinear form T(big, small, weight); cpu/convolution.h defines big and small. Each is bilinear, so its own
// derivatives are again among the three:
//
//   small   reduce(big, weight)    the convolution
//   big     spread(small, weight)  the transposed convolution
//   weight  outer(big, small)      the gradient of the weight
enum class Part : std::uint8_t { small, big, weight };
at::Tensor form(Part result, const at::Tensor& first, const at::Tensor& second,
                const std::vector<std::int64_t>& sizes);

// The inputs are those of the function above, in that order.
struct Form : torch::autograd::Function<Form> {
  static at::Tensor forward(AutogradContext* ctx, std::int64_t result, const at::Tensor& first_in,
                            const at::Tensor& second_in, const std::vector<std::int64_t>& sizes) {
    const auto part = static_cast<Part>(result);
    const at::Tensor first = dense(first_in);
    const at::Tensor second = part == Part::weight ? dense(second_in) : second_in.contiguous();
    ctx->save_for_backward({first, second});
    ctx->saved_data["result"] = result;
    ctx->saved_data["sizes"] = sizes;
    const Geometry g = geometry_of(sizes, part == Part::big);
    if (part != Part::weight) return cpu::conv_forward(g, first, second, {}, Activation::none, false).y;
    const at::Tensor weight_like = at::empty({g.small_c, g.big_c / g.groups, g.kh, g.kw}, first.options());
    return cpu::conv_backward(g, second, first, weight_like, {}, Activation::none, {false, true, false})[1];
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    const auto saved = ctx->get_saved_variables();
    const auto sizes = ctx->saved_data["sizes"].toIntVector();
    const at::Tensor &first = saved[0], &second = saved[1], &d = dy[0];
    const bool of_first = ctx->needs_input_grad(0), of_second = ctx->needs_input_grad(1);
    at::Tensor d_first, d_second;
    switch (static_cast<Part>(ctx->saved_data["result"].toInt())) {
      case Part::small:  // of big and weight
        if (of_first) d_first = form(Part::big, d, second, sizes);
        if (of_second) d_second = form(Part::weight, first, d, sizes);
        break;
      case Part::big:  // of small and weight
        if (of_first) d_first = form(Part::small, d, second, sizes);
        if (of_second) d_second = form(Part::weight, d, first, sizes);
        break;
      case Part::weight:  // of big and small
        if (of_first) d_first = form(Part::big, second, d, sizes);
        if (of_second) d_second = form(Part::small, first, d, sizes);
        break;
    }
    return {{}, d_first, d_second, {}};
  }
};

at::Tensor form(Part result, const at::Tensor& first, const at::Tensor& second,
                const std::vector<std::int64_t>& sizes) {
  return Form::apply(static_cast<std::int64_t>(result), first, second, sizes);
}

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias, std::int64_t stride, std::int64_t padding,
                            std::int64_t groups, bool transposed, std::int64_t act, bool graph,
                            std::int64_t workspace_bytes) {
    const auto activation = static_cast<Activation>(act);
    const at::Tensor xc = dense(x), b = bias ? bias->contiguous() : at::Tensor();
    const Geometry g = cpu::geometry(xc, w, {stride, padding, groups}, transposed);
    auto [y, pre_activation] = cpu::conv_forward(g, xc, w.contiguous(), b, activation,
                                                 graph && keeps_pre_activation(activation), workspace_bytes);
    ctx->save_for_backward({xc, w, saved_for_backward(activation, y, pre_activation)});
    ctx->saved_data["act"] = act;
    ctx->saved_data["bias"] = b.defined();
    ctx->saved_data["sizes"] = sizes_of(g);
    ctx->saved_data["transposed"] = transposed;
    ctx->saved_data["workspace_bytes"] = workspace_bytes;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    const bool transposed = ctx->saved_data["transposed"].toBool();
    const auto saved = ctx->get_saved_variables();
    const auto act = static_cast<Activation>(ctx->saved_data["act"].toInt());
    const auto sizes = ctx->saved_data["sizes"].toIntVector();
    const std::array<bool, 3> wanted = {ctx->needs_input_grad(0), ctx->needs_input_grad(1),
                                        ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)};
    std::array<at::Tensor, 3> grads;
    if (c10::GradMode::is_enabled()) {
      if (!is_piecewise_linear(act)) refuse_second_derivative(transposed ? "conv_transpose2d" : "conv2d");
      grads = differentiable_gradients(dy[0], saved, act, sizes, transposed, wanted);
    } else {
      grads =
          cpu::conv_backward(geometry_of(sizes, transposed), dense(dy[0]), saved[0], saved[1].contiguous(),
                             saved[2], act, wanted, ctx->saved_data["workspace_bytes"].toInt());
    }
    return {grads[0], grads[1], grads[2], {}, {}, {}, {}, {}, {}, {}};
  }

  // For a backward that is differentiated again.
  static std::array<at::Tensor, 3> differentiable_gradients(const at::Tensor& dy, const variable_list& saved,
                                                            Activation act,
                                                            const std::vector<std::int64_t>& sizes,
                                                            bool transposed, std::array<bool, 3> wanted) {
    const at::Tensor &x = saved[0], &w = saved[1];
    const at::Tensor dz = piecewise_gradient(dy, saved[2], act);
    std::array<at::Tensor, 3> grads;
    if (wanted[0]) grads[0] = form(transposed ? Part::small : Part::big, dz, w, sizes);
    if (wanted[1])
      grads[1] = transposed ? form(Part::weight, dz, x, sizes) : form(Part::weight, x, dz, sizes);
    if (wanted[2]) grads[2] = at::sum(dz, {0, 2, 3}, false, at::kFloat).to(dz.scalar_type());
    return grads;
  }
};

}  // namespace

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, const ConvOptions& options,
                  Activation act, std::int64_t workspace_bytes) {
  check_operands("conv2d", x, w, b, 4);
  const auto& [stride, padding, groups] = options;
  refuse_dry_gpu("conv2d", x);
  if (x.is_cuda())
    return framework_activation(
        at::conv2d(x, w, b.defined() ? std::optional(b) : std::nullopt, stride, padding, 1, groups), act);
  return Convolution::apply(x, w, b.defined() ? std::optional(b) : std::nullopt, stride, padding, groups,
                            false, static_cast<std::int64_t>(act), needs_graph(x, w, b), workspace_bytes);
}

at::Tensor conv_transpose2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                            const ConvOptions& options, Activation act, std::int64_t workspace_bytes) {
  check_operands("conv_transpose2d", x, w, b, 4);
  const auto& [stride, padding, groups] = options;
  refuse_dry_gpu("conv_transpose2d", x);
  if (x.is_cuda())
    return framework_activation(
        at::conv_transpose2d(x, w, b.defined() ? std::optional(b) : std::nullopt, stride, padding, 0, groups),
        act);
  return Convolution::apply(x, w, b.defined() ? std::optional(b) : std::nullopt, stride, padding, groups,
                            true, static_cast<std::int64_t>(act), needs_graph(x, w, b), workspace_bytes);
}

}  // namespace ebb::numerics
