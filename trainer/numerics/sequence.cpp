#include "numerics/sequence.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "numerics/cpu/workspace.h"
#include "numerics/once.h"
#include "numerics/place.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRowsOfAPart = 64;  // whose sums are made together, whatever the number of threads

struct Embedding : torch::autograd::Function<Embedding> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& tokens, const at::Tensor& table) {
    ctx->save_for_backward({tokens});
    ctx->saved_data["rows"] = table.size(0);
    std::vector<std::int64_t> shape = tokens.sizes().vec();
    shape.push_back(table.size(1));
    const at::Tensor out = at::empty(shape, table.options());
    if (table.is_meta()) return out;
    const std::int64_t bytes = table.size(1) * table.element_size();
    const std::int64_t* const ids = tokens.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < tokens.numel(); ++i) {
      if (ids[i] < 0 || ids[i] >= table.size(0))
        throw Error(ExitCode::internal, fmt::format("embed: token {} is {}, and the table has {} rows", i,
                                                    ids[i], table.size(0)));
      std::copy_n(place(table, ids[i] * table.size(1)), bytes, place_in(out, i * table.size(1)));
    }
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("embed");
    const at::Tensor tokens = ctx->get_saved_variables()[0];
    const at::Tensor g = dy[0].contiguous();
    const std::int64_t width = g.size(-1), count = tokens.numel();
    const at::Tensor out = at::zeros({ctx->saved_data["rows"].toInt(), width}, g.options());
    const at::Tensor space = cpu::workspace(2 * width, g);
    if (g.is_meta()) return {{}, out};
    // Tokens by their row, equal ones in their order.
    const at::Tensor order =
        std::get<1>(at::sort(tokens.flatten(), /*stable=*/std::optional(true), 0, false));
    const std::int64_t* const by_row = order.const_data_ptr<std::int64_t>();
    const std::int64_t* const ids = tokens.const_data_ptr<std::int64_t>();
    const cpu::Kind kind = cpu::kind_of(g);
    float* const sum = space.data_ptr<float>();
    float* const one = sum + width;
    for (std::int64_t i = 0; i < count;) {
      const std::int64_t row = ids[by_row[i]];
      std::fill_n(sum, width, 0.0F);
      for (; i < count && ids[by_row[i]] == row; ++i) {
        cpu::kernels().to_float(kind, place(g, by_row[i] * width), one, width);
        cpu::kernels().add(one, sum, width);
      }
      cpu::kernels().from_float(kind, sum, place_in(out, row * width), width);
    }
    return {{}, out};
  }
};

// Without a bias: RMS norm.
struct Norm : torch::autograd::Function<Norm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias_in, double eps) {
    const at::Tensor b = bias_in ? *bias_in : at::Tensor();
    const at::Tensor x = x_in.contiguous();
    const std::int64_t columns = x.size(-1), rows = x.numel() / std::max<std::int64_t>(columns, 1);
    const at::Tensor y = at::empty(x.sizes(), x.options());
    const auto of_rows = x.options().dtype(at::kFloat);
    const at::Tensor mean = b.defined() ? at::empty({rows}, of_rows) : at::Tensor(),
                     rstd = at::empty({rows}, of_rows);
    ctx->save_for_backward({x, w, mean, rstd});
    const at::Tensor space = cpu::workspace(2 * columns, x);
    if (x.is_meta()) return y;
    const cpu::Kind kind = cpu::kind_of(x);
    float* const weight = space.data_ptr<float>();
    float* const bias = b.defined() ? weight + columns : nullptr;
    cpu::kernels().to_float(kind, w.const_data_ptr(), weight, columns);
    if (b.defined()) cpu::kernels().to_float(kind, b.const_data_ptr(), bias, columns);
    at::parallel_for(0, rows, kRowsOfAPart, [&](std::int64_t first, std::int64_t end) {
      cpu::kernels().norm(kind, place(x, first * columns), weight, bias, static_cast<float>(eps), end - first,
                          columns, place_in(y, first * columns),
                          b.defined() ? mean.data_ptr<float>() + first : nullptr,
                          rstd.data_ptr<float>() + first);
    });
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy_in) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1], &mean = saved[2], &rstd = saved[3];
    refuse_second_derivative(mean.defined() ? "layer_norm" : "rms_norm");
    const at::Tensor dy = dy_in[0].contiguous();
    const std::int64_t columns = x.size(-1), rows = rstd.numel();
    const std::int64_t parts = (rows + kRowsOfAPart - 1) / kRowsOfAPart;
    const at::Tensor dx = at::empty(x.sizes(), x.options()), dw = at::empty({columns}, x.options());
    const at::Tensor db = mean.defined() ? at::empty({columns}, x.options()) : at::Tensor();
    const at::Tensor space = cpu::workspace((1 + 2 * std::max<std::int64_t>(parts, 1)) * columns, x);
    if (x.is_meta()) return {dx, dw, db, {}};
    const cpu::Kind kind = cpu::kind_of(x);
    float* const weight = space.data_ptr<float>();
    float* const sums = weight + columns;  // [parts, 2, columns]
    cpu::kernels().to_float(kind, w.const_data_ptr(), weight, columns);
    std::fill_n(sums, 2 * std::max<std::int64_t>(parts, 1) * columns, 0.0F);
    at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        const std::int64_t first = part * kRowsOfAPart, n = std::min(kRowsOfAPart, rows - first);
        float* const mine = sums + 2 * part * columns;
        cpu::kernels().norm_gradient(kind, place(dy, first * columns), place(x, first * columns), weight,
                                     mean.defined() ? mean.const_data_ptr<float>() + first : nullptr,
                                     rstd.const_data_ptr<float>() + first, n, columns,
                                     place_in(dx, first * columns), mine,
                                     mean.defined() ? mine + columns : nullptr);
      }
    });
    for (std::int64_t part = 1; part < parts; ++part)
      cpu::kernels().add(sums + 2 * part * columns, sums, 2 * columns);
    cpu::kernels().from_float(kind, sums, dw.mutable_data_ptr(), columns);
    if (db.defined()) cpu::kernels().from_float(kind, sums + columns, db.mutable_data_ptr(), columns);
    return {dx, dw, db, {}};
  }
};

struct SwiGlu : torch::autograd::Function<SwiGlu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate_in, const at::Tensor& up_in) {
    const at::Tensor gate = gate_in.contiguous(), up = up_in.contiguous();
    ctx->save_for_backward({gate, up});
    const at::Tensor out = at::empty(gate.sizes(), gate.options());
    if (gate.is_meta()) return out;
    const cpu::Kind kind = cpu::kind_of(gate);
    at::parallel_for(0, gate.numel(), 16384, [&](std::int64_t first, std::int64_t end) {
      cpu::kernels().swiglu(kind, place(gate, first), place(up, first), place_in(out, first), end - first);
    });
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy_in) {
    refuse_second_derivative("swiglu");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = dy_in[0].contiguous();
    const at::Tensor d_gate = at::empty(dy.sizes(), dy.options()), d_up = at::empty(dy.sizes(), dy.options());
    if (dy.is_meta()) return {d_gate, d_up};
    const cpu::Kind kind = cpu::kind_of(dy);
    at::parallel_for(0, dy.numel(), 16384, [&](std::int64_t first, std::int64_t end) {
      cpu::kernels().swiglu_gradient(kind, place(dy, first), place(saved[0], first), place(saved[1], first),
                                     place_in(d_gate, first), place_in(d_up, first), end - first);
    });
    return {d_gate, d_up};
  }
};

void require_rows(const char* front, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
  const auto fits = [&](const at::Tensor& t) {
    return t.dim() == 1 && t.size(0) == x.size(-1) && t.scalar_type() == x.scalar_type() &&
           t.device() == x.device();
  };
  if (x.dim() > 0 && fits(w) && (!b.defined() || fits(b))) return;
  throw Error(
      ExitCode::internal,
      fmt::format("{}: x [{}] {} needs w and b of its last dimension, its dtype and its device, not [{}] {}",
                  front, fmt::join(x.sizes(), ", "), c10::toString(x.scalar_type()),
                  fmt::join(w.sizes(), ", "), c10::toString(w.scalar_type())));
}

}  // namespace

at::Tensor embed(const at::Tensor& tokens, const at::Tensor& table) {
  if (table.dim() != 2 || !at::isIntegralType(tokens.scalar_type(), false))
    throw Error(ExitCode::internal,
                fmt::format("embed: tokens {} and a table [{}] do not go together",
                            c10::toString(tokens.scalar_type()), fmt::join(table.sizes(), ", ")));
  const at::Tensor ids = tokens.to(at::kLong).contiguous();
  if (table.is_cuda()) return at::embedding(table, ids);
  return Embedding::apply(ids, table);
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, double eps) {
  require_rows("layer_norm", x, w, b);
  if (x.is_cuda()) return at::layer_norm(x, {x.size(-1)}, w, b, eps);
  return Norm::apply(x, w, std::optional(b), eps);
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& w, double eps) {
  require_rows("rms_norm", x, w, {});
  if (x.is_cuda()) return at::rms_norm(x, {x.size(-1)}, w, eps);
  return Norm::apply(x, w, std::optional<at::Tensor>(), eps);
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  if (gate.sizes() != up.sizes() || gate.scalar_type() != up.scalar_type() || gate.device() != up.device())
    throw Error(ExitCode::internal,
                fmt::format("swiglu: gate [{}] and up [{}] need one shape, dtype and device",
                            fmt::join(gate.sizes(), ", "), fmt::join(up.sizes(), ", ")));
  if (gate.is_cuda()) return at::silu(gate) * up;
  return SwiGlu::apply(gate, up);
}

}  // namespace ebb::numerics
