// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/linear.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "memory/ledger.h"
#include "numerics/cpu/product.h"
#include "numerics/cpu/workspace.h"

namespace ebb::numerics::cpu {

LinearOutput linear_forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, Activation act,
                            bool keep_pre_activation, std::int64_t workspace_bytes) {
  const std::int64_t batch = x.size(0);
  const std::int64_t in = x.size(1);
  const std::int64_t out = w.size(0);
  LinearOutput result{at::empty({batch, out}, x.options()), {}};
  if (keep_pre_activation) result.pre_activation = at::empty({batch, out}, x.options());
  const at::Tensor space =
      workspace(product_workspace(batch, out, in, false, workspace_bytes) + (b.defined() ? out : 0), x);
  if (x.is_meta()) return result;
  const Dtype dtype = dtype_of(x);
  auto* const blocks = space.data_ptr<float>();
  float* const bias = b.defined() ? blocks : nullptr;
  if (b.defined()) kernels().to_float(dtype, b.const_data_ptr(), bias, out);
  product({dtype, x.const_data_ptr(), batch, in, false}, {dtype, w.const_data_ptr(), out, in, true},
          {dtype, result.y.mutable_data_ptr(), bias, act,
           keep_pre_activation ? result.pre_activation.mutable_data_ptr() : nullptr},
          batch, out, in,
          {b.defined() ? blocks + out : blocks, product_workspace(batch, out, in, false, workspace_bytes),
           false, workspace_bytes});
  return result;
}

std::array<at::Tensor, 3> linear_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& w,
                                          const at::Tensor& saved, Activation act, std::array<bool, 3> wanted,
                                          std::int64_t workspace_bytes) {
  const std::int64_t batch = x.size(0);
  const std::int64_t in = x.size(1);
  const std::int64_t out = w.size(0);
  std::array<at::Tensor, 3> grads;
  if (wanted[0]) grads[0] = at::empty({batch, in}, x.options());
  if (wanted[1]) grads[1] = at::empty({out, in}, x.options());
  if (wanted[2]) grads[2] = at::empty({out}, x.options());
  // dx and dw; their operands are set below.
  std::array<Product, 2> both{Product{{}, {}, {}, batch, in, out}, Product{{}, {}, {}, out, in, batch}};
  auto& [dx, dw] = both;
  const std::int64_t grouped = wanted[0] && wanted[1] ? grouped_workspace(both, workspace_bytes) : 0;
  const std::int64_t floats =
      std::max({wanted[0] && grouped == 0 ? product_workspace(batch, in, out, false, workspace_bytes) : 0,
                wanted[1] && grouped == 0 ? product_workspace(out, in, batch, false, workspace_bytes) : 0,
                grouped, wanted[2] ? out : 0});
  // The gradient of the pre-activation, rounded once: three passes read it.
  at::Tensor dz = dy;
  if (act != Activation::none) {
    const memory::Tag tag(memory::Class::workspace, "numerics.activation");
    dz = at::empty(dy.sizes(), dy.options());
  }
  const at::Tensor space = workspace(floats, x);
  if (x.is_meta()) return grads;
  const Dtype dtype = dtype_of(x);
  auto* blocks = space.data_ptr<float>();
  if (act != Activation::none)
    activation_backward(dtype, dy.const_data_ptr(), saved.const_data_ptr(), act, dy.numel(),
                        dz.mutable_data_ptr());
  const Operand left{dtype, dz.const_data_ptr(), batch, out, false};
  if (wanted[2]) {
    column_sums(left, blocks);
    kernels().from_float(dtype, blocks, grads[2].mutable_data_ptr(), out);
  }
  dx.a = left, dx.b = {dtype, w.const_data_ptr(), out, in, false};
  dw.a = left, dw.a.transposed = true, dw.b = {dtype, x.const_data_ptr(), batch, in, false};
  if (wanted[0]) dx.result = {dtype, grads[0].mutable_data_ptr()};
  if (wanted[1]) dw.result = {dtype, grads[1].mutable_data_ptr()};
  if (grouped > 0) {
    grouped_products(both, blocks);
    return grads;
  }
  for (std::size_t i = 0; i < both.size(); ++i)
    if (const Product& p = both[i]; wanted[i])
      product(p.a, p.b, p.result, p.m, p.n, p.k, {blocks, floats, false, workspace_bytes});
  return grads;
}

}  // namespace ebb::numerics::cpu
