// SPDX-License-Identifier: Apache-2.0
#include "numerics/norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "base/error.h"
#include "numerics/cpu/workspace.h"
#include "numerics/element_pointer.h"
#include "numerics/gpu/ops.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRowsOfAPart = 64;  // of one partial sum, for any number of threads
constexpr std::int64_t kRowsAtOnce = 4;    // stay in the L1 cache between two passes

const void* pointer_or_null(const at::Tensor& t, std::int64_t first) {
  return t.defined() ? element_pointer(t, first) : nullptr;
}

// Without a bias: RMS norm. With `added`: the norm of x + added; the sum is a result too. `split`: the sum
// has a low part, a result too, and x may have one.
struct Norm : torch::autograd::Function<Norm> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x_in,
                               const std::optional<at::Tensor>& x_low_in,
                               const std::optional<at::Tensor>& added_in, const at::Tensor& w,
                               const std::optional<at::Tensor>& bias_in, double eps, bool split) {
    const at::Tensor b = bias_in ? *bias_in : at::Tensor();
    const at::Tensor added = added_in ? added_in->contiguous() : at::Tensor(), x_alone = x_in.contiguous();
    const at::Tensor x_low = x_low_in ? x_low_in->contiguous() : at::Tensor();
    const std::int64_t columns = x_alone.size(-1),
                       rows = x_alone.numel() / std::max<std::int64_t>(columns, 1);
    const at::Tensor x = added_in ? at::empty(x_alone.sizes(), x_alone.options()) : x_alone;
    const at::Tensor low = split ? at::empty(x.sizes(), x.options()) : at::Tensor();
    const at::Tensor y = at::empty(x.sizes(), x.options());
    const auto of_rows = x.options().dtype(at::kFloat);
    const at::Tensor mean = b.defined() ? at::empty({rows}, of_rows) : at::Tensor(),
                     rstd = at::empty({rows}, of_rows);
    ctx->save_for_backward({x, low, w, mean, rstd});
    if (split) ctx->mark_non_differentiable({low});
    ctx->saved_data["added"] = added_in.has_value();
    ctx->set_materialize_grads(false);  // nothing uses the last norm's sum: no zeros for it
    const variable_list results = split      ? variable_list{x, low, y}
                                  : added_in ? variable_list{x, y}
                                             : variable_list{y};
    if (on_gpu(x)) {
      gpu::norm(x_alone, added, added_in ? x : at::Tensor(), {x_low, low}, w.contiguous(),
                b.defined() ? b.contiguous() : b, eps, y, mean, rstd);
      return results;
    }
    const at::Tensor space = cpu::workspace(2 * columns, x);
    if (x.is_meta()) return results;
    const Dtype dtype = dtype_of(x);
    float* const weight = space.data_ptr<float>();
    float* const bias = b.defined() ? weight + columns : nullptr;
    cpu::kernels().to_float(dtype, w.const_data_ptr(), weight, columns);
    if (b.defined()) cpu::kernels().to_float(dtype, b.const_data_ptr(), bias, columns);
    at::parallel_for(0, rows, kRowsOfAPart, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t first = begin; first < end; first += kRowsAtOnce) {
        const std::int64_t n = std::min(kRowsAtOnce, end - first);
        if (split)
          cpu::kernels().split_sum(
              dtype, element_pointer(x_alone, first * columns), pointer_or_null(x_low, first * columns),
              element_pointer(added, first * columns), mutable_element_pointer(x, first * columns),
              mutable_element_pointer(low, first * columns), n * columns);
        else if (added.defined())
          cpu::kernels().sum(dtype, element_pointer(x_alone, first * columns),
                             element_pointer(added, first * columns),
                             mutable_element_pointer(x, first * columns), n * columns);
        cpu::kernels().norm(
            dtype, element_pointer(x, first * columns), pointer_or_null(low, first * columns), weight, bias,
            static_cast<float>(eps), n, columns, mutable_element_pointer(y, first * columns),
            b.defined() ? mean.data_ptr<float>() + first : nullptr, rstd.data_ptr<float>() + first);
      }
    });
    return results;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &low = saved[1], &w = saved[2], &mean = saved[3], &rstd = saved[4];
    refuse_second_derivative(mean.defined() ? "layer_norm" : "rms_norm");
    const at::Tensor dy = gradients.back().defined() ? gradients.back().contiguous() : at::zeros_like(x);
    const bool added = ctx->saved_data["added"].toBool();
    const at::Tensor d_sum =
        added && gradients.front().defined() ? gradients.front().contiguous() : at::Tensor();
    const std::int64_t columns = x.size(-1), rows = rstd.numel();
    const std::int64_t parts = (rows + kRowsOfAPart - 1) / kRowsOfAPart;
    const at::Tensor dx = at::empty(x.sizes(), x.options()), dw = at::empty({columns}, x.options());
    const at::Tensor db = mean.defined() ? at::empty({columns}, x.options()) : at::Tensor();
    const variable_list results{dx, {}, added ? dx : at::Tensor(), dw, db, {}, {}};
    if (on_gpu(x)) {
      gpu::norm_gradient(dy, x, low, w.contiguous(), mean, rstd, d_sum, {dx, dw, db});
      return results;
    }
    const at::Tensor space = cpu::workspace((1 + 2 * std::max<std::int64_t>(parts, 1)) * columns, x);
    if (x.is_meta()) return results;
    const Dtype dtype = dtype_of(x);
    float* const weight = space.data_ptr<float>();
    float* const sums = weight + columns;  // [parts, 2, columns]
    cpu::kernels().to_float(dtype, w.const_data_ptr(), weight, columns);
    std::fill_n(sums, 2 * std::max<std::int64_t>(parts, 1) * columns, 0.0F);
    at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        float* const mine = sums + 2 * part * columns;
        const std::int64_t last = std::min(rows, (part + 1) * kRowsOfAPart);
        for (std::int64_t first = part * kRowsOfAPart; first < last; first += kRowsAtOnce) {
          const std::int64_t n = std::min(kRowsAtOnce, last - first);
          char* const out = mutable_element_pointer(dx, first * columns);
          cpu::kernels().norm_gradient(dtype, element_pointer(dy, first * columns),
                                       element_pointer(x, first * columns),
                                       pointer_or_null(low, first * columns), weight,
                                       mean.defined() ? mean.const_data_ptr<float>() + first : nullptr,
                                       rstd.const_data_ptr<float>() + first, n, columns, out, mine,
                                       mean.defined() ? mine + columns : nullptr);
          if (d_sum.defined())
            cpu::kernels().sum(dtype, out, element_pointer(d_sum, first * columns), out, n * columns);
        }
      }
    });
    for (std::int64_t part = 1; part < parts; ++part)
      cpu::kernels().add(sums + 2 * part * columns, sums, 2 * columns);
    cpu::kernels().from_float(dtype, sums, dw.mutable_data_ptr(), columns);
    if (db.defined()) cpu::kernels().from_float(dtype, sums + columns, db.mutable_data_ptr(), columns);
    return results;
  }
};

void require_rows(const char* op, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
  const auto fits = [&](const at::Tensor& t) {
    return t.dim() == 1 && t.size(0) == x.size(-1) && t.scalar_type() == x.scalar_type() &&
           t.device() == x.device();
  };
  if (x.dim() > 0 && fits(w) && (!b.defined() || fits(b))) return;
  throw Error(
      ExitCode::internal,
      fmt::format("{}: x [{}] {} needs w and b of its last dimension, its dtype and its device, not [{}] {}",
                  op, fmt::join(x.sizes(), ", "), c10::toString(x.scalar_type()), fmt::join(w.sizes(), ", "),
                  c10::toString(w.scalar_type())));
}

void require_same(const at::Tensor& x, const at::Tensor& added) {
  if (x.sizes() == added.sizes() && x.scalar_type() == added.scalar_type() && x.device() == added.device())
    return;
  throw Error(ExitCode::internal,
              fmt::format("a norm of a sum: x [{}] and added [{}] need one shape, dtype and device",
                          fmt::join(x.sizes(), ", "), fmt::join(added.sizes(), ", ")));
}

using MaybeTensor = std::optional<at::Tensor>;

variable_list norm_of_one(const at::Tensor& x, const at::Tensor& w, const MaybeTensor& b, double eps) {
  return Norm::apply(x, MaybeTensor(), MaybeTensor(), w, b, eps, false);
}

AddNorm norm_of_sum(const at::Tensor& x, const at::Tensor& added, const at::Tensor& w, const MaybeTensor& b,
                    double eps) {
  require_same(x, added);
  const variable_list results = Norm::apply(x, MaybeTensor(), MaybeTensor(added), w, b, eps, false);
  return {results[0], results[1]};
}

SplitAddNorm norm_of_parts(const at::Tensor& x, const at::Tensor& x_low, const at::Tensor& added,
                           const at::Tensor& w, const MaybeTensor& b, double eps) {
  require_same(x, added);
  if (x_low.defined()) require_same(x, x_low);
  const MaybeTensor low = x_low.defined() ? MaybeTensor(x_low) : MaybeTensor();
  const variable_list results = Norm::apply(x, low, MaybeTensor(added), w, b, eps, true);
  return {results[0], results[1], results[2]};
}

}  // namespace

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, double eps) {
  require_rows("layer_norm", x, w, b);
  return norm_of_one(x, w, b, eps)[0];
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& w, double eps) {
  require_rows("rms_norm", x, w, {});
  return norm_of_one(x, w, {}, eps)[0];
}

AddNorm add_layer_norm(const at::Tensor& x, const at::Tensor& added, const at::Tensor& w, const at::Tensor& b,
                       double eps) {
  require_rows("layer_norm", x, w, b);
  return norm_of_sum(x, added, w, b, eps);
}

AddNorm add_rms_norm(const at::Tensor& x, const at::Tensor& added, const at::Tensor& w, double eps) {
  require_rows("rms_norm", x, w, {});
  return norm_of_sum(x, added, w, {}, eps);
}

SplitAddNorm split_add_layer_norm(const at::Tensor& x, const at::Tensor& x_low, const at::Tensor& added,
                                  const at::Tensor& w, const at::Tensor& b, double eps) {
  require_rows("layer_norm", x, w, b);
  return norm_of_parts(x, x_low, added, w, b, eps);
}

SplitAddNorm split_add_rms_norm(const at::Tensor& x, const at::Tensor& x_low, const at::Tensor& added,
                                const at::Tensor& w, double eps) {
  require_rows("rms_norm", x, w, {});
  return norm_of_parts(x, x_low, added, w, {}, eps);
}

}  // namespace ebb::numerics
