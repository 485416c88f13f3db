// SPDX-License-Identifier: Apache-2.0
#include "numerics/matmul.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "numerics/cpu/product.h"
#include "numerics/cpu/workspace.h"
#include "numerics/dry_gpu.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr Transpose other(Transpose t) {
  return t == Transpose::no ? Transpose::yes : Transpose::no;
}

struct Matmul : torch::autograd::Function<Matmul> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& a_in, bool of_a, const at::Tensor& b_in,
                            bool of_b) {
    const at::Tensor a = a_in.contiguous(), b = b_in.contiguous();
    ctx->save_for_backward({a, b});
    ctx->saved_data["of_a"] = of_a;
    ctx->saved_data["of_b"] = of_b;
    const std::int64_t m = a.size(of_a ? 1 : 0), k = a.size(of_a ? 0 : 1), n = b.size(of_b ? 0 : 1);
    const at::Tensor out = at::empty({m, n}, a.options());
    const std::int64_t floats = cpu::product_workspace(m, n, k);
    const at::Tensor space = cpu::workspace(floats, a);
    if (a.is_meta()) return out;
    const Dtype dtype = dtype_of(a);
    cpu::product({dtype, a.const_data_ptr(), a.size(0), a.size(1), of_a},
                 {dtype, b.const_data_ptr(), b.size(0), b.size(1), of_b}, {dtype, out.mutable_data_ptr()}, m,
                 n, k, {space.data_ptr<float>(), floats});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &a = saved[0], &b = saved[1], &d = dy[0];
    const auto of_a = Transpose{ctx->saved_data["of_a"].toBool()};
    const auto of_b = Transpose{ctx->saved_data["of_b"].toBool()};
    at::Tensor da, db;
    if (ctx->needs_input_grad(0))
      da = of_a == Transpose::no ? matmul(d, Transpose::no, b, other(of_b))
                                 : matmul(b, of_b, d, Transpose::yes);
    if (ctx->needs_input_grad(1))
      db = of_b == Transpose::no ? matmul(a, other(of_a), d, Transpose::no)
                                 : matmul(d, Transpose::yes, a, of_a);
    return {da, {}, db, {}};
  }
};

}  // namespace

at::Tensor matmul(const at::Tensor& a, Transpose of_a, const at::Tensor& b, Transpose of_b) {
  const bool ta = of_a == Transpose::yes, tb = of_b == Transpose::yes;
  if (a.dim() != 2 || b.dim() != 2 || a.scalar_type() != b.scalar_type() || a.device() != b.device() ||
      a.size(ta ? 0 : 1) != b.size(tb ? 1 : 0))
    throw Error(ExitCode::internal,
                fmt::format("matmul: [{}]{} and [{}]{} do not match", fmt::join(a.sizes(), ", "),
                            ta ? " transposed" : "", fmt::join(b.sizes(), ", "), tb ? " transposed" : ""));
  if (on_gpu(a)) return at::mm(ta ? a.t() : a, tb ? b.t() : b);
  return Matmul::apply(a, ta, b, tb);
}

}  // namespace ebb::numerics
