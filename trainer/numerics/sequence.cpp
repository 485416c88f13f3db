// SPDX-License-Identifier: Apache-2.0
#include "numerics/sequence.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "memory/ledger.h"
#include "numerics/cpu/workspace.h"
#include "numerics/element_pointer.h"
#include "numerics/gpu/ops.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows of `table` [V, C] by id, on the CPU or on meta.
at::Tensor gathered_rows(const at::Tensor& tokens, const at::Tensor& table) {
  std::vector<std::int64_t> shape = tokens.sizes().vec();
  shape.push_back(table.size(1));
  const at::Tensor out = at::empty(shape, table.options());
  if (table.is_meta()) return out;
  const std::int64_t bytes = table.size(1) * table.element_size();
  const std::int64_t* const ids = tokens.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < tokens.numel(); ++i) {
    if (ids[i] < 0 || ids[i] >= table.size(0))
      throw Error(ExitCode::internal,
                  fmt::format("embed: token {} is {}, but the table has {} rows", i, ids[i], table.size(0)));
    std::copy_n(element_pointer(table, ids[i] * table.size(1)), bytes,
                mutable_element_pointer(out, i * table.size(1)));
  }
  return out;
}

// Uninitialised int64 [count] of class workspace.
at::Tensor places(const at::Tensor& tokens) {
  const memory::Tag tag(memory::Class::workspace, "numerics.places");
  return at::empty({tokens.numel()}, tokens.options());
}

// The sums [rows, C] of the rows of g by id, each in fp32 and in the order of the tokens.
at::Tensor summed_rows(const at::Tensor& tokens, const at::Tensor& g, std::int64_t rows) {
  const std::int64_t width = g.size(-1), count = tokens.numel();
  const at::Tensor out = at::zeros({rows, width}, g.options());
  const at::Tensor space = cpu::workspace(2 * width, g), order = places(tokens);
  if (g.is_meta()) return out;
  auto* const by_row = order.mutable_data_ptr<std::int64_t>();
  const std::int64_t* const ids = tokens.const_data_ptr<std::int64_t>();
  // Tokens sorted by row, equal ones in their order. Without memory of its own, as a plan has it.
  std::iota(by_row, by_row + count, std::int64_t{0});
  std::sort(by_row, by_row + count,
            [ids](std::int64_t a, std::int64_t b) { return ids[a] != ids[b] ? ids[a] < ids[b] : a < b; });
  const Dtype dtype = dtype_of(g);
  float* const sum = space.data_ptr<float>();
  float* const one = sum + width;
  for (std::int64_t i = 0; i < count;) {
    const std::int64_t row = ids[by_row[i]];
    std::fill_n(sum, width, 0.0F);
    for (; i < count && ids[by_row[i]] == row; ++i) {
      cpu::kernels().to_float(dtype, element_pointer(g, by_row[i] * width), one, width);
      cpu::kernels().add(one, sum, width);
    }
    cpu::kernels().from_float(dtype, sum, mutable_element_pointer(out, row * width), width);
  }
  return out;
}

// Each of these two linear functions is the gradient of the other.
struct Embedding : torch::autograd::Function<Embedding> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& tokens, const at::Tensor& table) {
    ctx->save_for_backward({tokens});
    ctx->saved_data["rows"] = table.size(0);
    return gathered_rows(tokens, table.contiguous());
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy);
};

struct SummedRows : torch::autograd::Function<SummedRows> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& tokens, const at::Tensor& g,
                            std::int64_t rows) {
    ctx->save_for_backward({tokens});
    return summed_rows(tokens, g.contiguous(), rows);
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    return {{}, Embedding::apply(ctx->get_saved_variables()[0], dy[0]), {}};
  }
};

variable_list Embedding::backward(AutogradContext* ctx, variable_list dy) {
  return {{}, SummedRows::apply(ctx->get_saved_variables()[0], dy[0], ctx->saved_data["rows"].toInt())};
}

struct SwiGlu : torch::autograd::Function<SwiGlu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate_in, const at::Tensor& up_in) {
    const at::Tensor gate = gate_in.contiguous(), up = up_in.contiguous();
    ctx->save_for_backward({gate, up});
    const at::Tensor out = at::empty(gate.sizes(), gate.options());
    if (gate.is_meta() || gate.numel() == 0) return out;
    const Dtype dtype = dtype_of(gate);
    if (gate.is_cuda()) {
      cuda_table().swiglu(dtype, gate.const_data_ptr(), up.const_data_ptr(), out.mutable_data_ptr(),
                          out.numel(), cuda_stream(gate));
      return out;
    }
    at::parallel_for(0, gate.numel(), 16384, [&](std::int64_t first, std::int64_t end) {
      cpu::kernels().swiglu(dtype, element_pointer(gate, first), element_pointer(up, first),
                            mutable_element_pointer(out, first), end - first);
    });
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy_in) {
    refuse_second_derivative("swiglu");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = dy_in[0].contiguous();
    const at::Tensor d_gate = at::empty(dy.sizes(), dy.options()), d_up = at::empty(dy.sizes(), dy.options());
    if (dy.is_meta() || dy.numel() == 0) return {d_gate, d_up};
    const Dtype dtype = dtype_of(dy);
    if (dy.is_cuda()) {
      cuda_table().swiglu_gradient(dtype, dy.const_data_ptr(), saved[0].const_data_ptr(),
                                   saved[1].const_data_ptr(), d_gate.mutable_data_ptr(),
                                   d_up.mutable_data_ptr(), dy.numel(), cuda_stream(dy));
      return {d_gate, d_up};
    }
    at::parallel_for(0, dy.numel(), 16384, [&](std::int64_t first, std::int64_t end) {
      cpu::kernels().swiglu_gradient(dtype, element_pointer(dy, first), element_pointer(saved[0], first),
                                     element_pointer(saved[1], first), mutable_element_pointer(d_gate, first),
                                     mutable_element_pointer(d_up, first), end - first);
    });
    return {d_gate, d_up};
  }
};

}  // namespace

at::Tensor embed(const at::Tensor& tokens, const at::Tensor& table) {
  if (table.dim() != 2 || !at::isIntegralType(tokens.scalar_type(), false))
    throw Error(ExitCode::internal,
                fmt::format("embed: tokens {} and a table [{}] do not match",
                            c10::toString(tokens.scalar_type()), fmt::join(table.sizes(), ", ")));
  const at::Tensor ids = tokens.to(at::kLong).contiguous();
  if (on_gpu(table)) return gpu::embedding(table, ids);
  return Embedding::apply(ids, table);
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  if (gate.sizes() != up.sizes() || gate.scalar_type() != up.scalar_type() || gate.device() != up.device())
    throw Error(ExitCode::internal,
                fmt::format("swiglu: gate [{}] and up [{}] need one shape, dtype and device",
                            fmt::join(gate.sizes(), ", "), fmt::join(up.sizes(), ", ")));
  return SwiGlu::apply(gate, up);
}

}  // namespace ebb::numerics
