// SPDX-License-Identifier: Apache-2.0
#include "numerics/head_cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "numerics/cpu/product.h"
#include "numerics/cpu/workspace.h"
#include "numerics/element_pointer.h"
#include "numerics/gpu/ops.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A block of logits, rows x columns: 1 MiB of fp32 for any model.
constexpr std::int64_t kRows = 512, kColumns = 512;

// Rows [first, first + n) of a matrix.
cpu::Operand rows_of(const at::Tensor& t, std::int64_t first, std::int64_t n, bool transposed) {
  return {dtype_of(t), element_pointer(t, first * t.size(1)), n, t.size(1), transposed};
}

// Floats of scratch for the products of one block.
std::int64_t product_floats(std::int64_t rows, std::int64_t columns, std::int64_t width) {
  return std::max({cpu::product_workspace(rows, columns, width), cpu::product_workspace(rows, width, columns),
                   cpu::product_workspace(columns, width, rows)});
}

struct HeadCrossEntropy : torch::autograd::Function<HeadCrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& h_in, const at::Tensor& w_in,
                            const at::Tensor& targets_in, double z) {
    const at::Tensor h = h_in.contiguous(), w = w_in.contiguous(), targets = targets_in.contiguous();
    const std::int64_t n = h.size(0), width = h.size(1), vocabulary = w.size(0);
    const at::Tensor lse = at::empty({n}, h.options().dtype(at::kFloat));
    ctx->save_for_backward({h, w, targets, lse});
    ctx->saved_data["z"] = z;
    const std::int64_t most_rows = std::min(kRows, n), most_columns = std::min(kColumns, vocabulary);
    const std::int64_t scratch = cpu::product_workspace(most_rows, most_columns, width);
    const at::Tensor space = cpu::workspace(most_rows * most_columns + scratch, h);
    if (h.is_meta()) return at::empty({}, lse.options());
    float* const logits = space.data_ptr<float>();
    float* const product_space = logits + most_rows * most_columns;
    const std::int64_t* const target = targets.const_data_ptr<std::int64_t>();
    const cpu::Kernels& kern = cpu::kernels();
    // For each row of a block: the maximum logit so far, the sum of exponentials relative to it, and the
    // target's logit.
    const auto count = static_cast<std::size_t>(most_rows);
    std::vector<float> most(count), sum(count), hit(count);
    double total = 0;
    for (std::int64_t first = 0; first < n; first += kRows) {
      const std::int64_t rows = std::min(kRows, n - first);
      std::fill(most.begin(), most.end(), -INFINITY);
      std::fill(sum.begin(), sum.end(), 0.0F);
      for (std::int64_t column = 0; column < vocabulary; column += kColumns) {
        const std::int64_t columns = std::min(kColumns, vocabulary - column);
        cpu::product(rows_of(h, first, rows, false), rows_of(w, column, columns, true),
                     cpu::fp32_result(logits, false), rows, columns, width, {product_space, scratch});
        at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t r = begin; r < end; ++r) {
            float* const row = logits + r * columns;
            const auto i = static_cast<std::size_t>(r);
            if (const std::int64_t t = target[first + r] - column; t >= 0 && t < columns) hit[i] = row[t];
            const float here = std::max(most[i], kern.reduce_max(row, columns));
            const float before = most[i] == here ? sum[i] : sum[i] * std::exp(most[i] - here);
            sum[i] = before + kern.exponentials(row, columns, 1.0F, here);
            most[i] = here;
          }
        });
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto i = static_cast<std::size_t>(r);
        const float log_sum = most[i] + std::log(sum[i]);
        lse.data_ptr<float>()[first + r] = log_sum;
        if (target[first + r] == kIgnoreIndex) continue;
        total += static_cast<double>(log_sum - hit[i]) + z * static_cast<double>(log_sum * log_sum);
      }
    }
    return at::full({}, total, lse.options());
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("head_cross_entropy");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &h = saved[0], &w = saved[1], &targets = saved[2], &lse = saved[3];
    const std::int64_t n = h.size(0), width = h.size(1), vocabulary = w.size(0);
    const at::Tensor dh = at::empty(h.sizes(), h.options()), dw = at::empty(w.sizes(), w.options());
    const std::int64_t most_rows = std::min(kRows, n), most_columns = std::min(kColumns, vocabulary);
    const std::int64_t scratch = product_floats(most_rows, most_columns, width);
    const at::Tensor space = cpu::workspace(n * width + most_columns * (width + most_rows) + scratch, h);
    if (h.is_meta()) return {dh, dw, {}, {}};
    float* const dh_sums = space.data_ptr<float>();  // [n, width]: over the vocabulary
    float* const dw_sums = dh_sums + n * width;      // [columns, width]: over all rows
    float* const p = dw_sums + most_columns * width;
    float* const product_space = p + most_rows * most_columns;
    const std::int64_t* const target = targets.const_data_ptr<std::int64_t>();
    const float* const log_sums = lse.const_data_ptr<float>();
    const float scale = dy[0].item<float>(), z = static_cast<float>(ctx->saved_data["z"].toDouble());
    const Dtype dtype = dtype_of(h);
    const cpu::Kernels& kern = cpu::kernels();
    for (std::int64_t column = 0; column < vocabulary; column += kColumns) {
      const std::int64_t columns = std::min(kColumns, vocabulary - column);
      for (std::int64_t first = 0; first < n; first += kRows) {
        const std::int64_t rows = std::min(kRows, n - first);
        cpu::product(rows_of(h, first, rows, false), rows_of(w, column, columns, true),
                     cpu::fp32_result(p, false), rows, columns, width, {product_space, scratch});
        at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t r = begin; r < end; ++r) {
            float* const row = p + r * columns;
            const std::int64_t wanted = target[first + r];
            if (wanted == kIgnoreIndex) {
              std::fill_n(row, columns, 0.0F);
              continue;
            }
            kern.exponentials(row, columns, 1.0F, log_sums[first + r]);
            kern.multiply(scale * (1.0F + 2.0F * z * log_sums[first + r]), row, columns);
            if (wanted >= column && wanted < column + columns) row[wanted - column] -= scale;
          }
        });
        cpu::product(cpu::fp32_operand(dtype, p, rows, columns, false), rows_of(w, column, columns, false),
                     cpu::fp32_result(dh_sums + first * width, column > 0), rows, width, columns,
                     {product_space, scratch});
        cpu::product(cpu::fp32_operand(dtype, p, rows, columns, true), rows_of(h, first, rows, false),
                     cpu::fp32_result(dw_sums, first > 0), columns, width, rows, {product_space, scratch});
      }
      if (n == 0) std::fill_n(dw_sums, columns * width, 0.0F);
      kern.from_float(dtype, dw_sums, mutable_element_pointer(dw, column * width), columns * width);
    }
    at::parallel_for(0, n, 16, [&](std::int64_t begin, std::int64_t end) {
      kern.from_float(dtype, dh_sums + begin * width, mutable_element_pointer(dh, begin * width),
                      (end - begin) * width);
    });
    return {dh, dw, {}, {}};
  }
};

void check_targets(const at::Tensor& targets, std::int64_t vocabulary) {
  const std::int64_t* const target = targets.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < targets.numel(); ++i)
    if (target[i] != kIgnoreIndex && (target[i] < 0 || target[i] >= vocabulary))
      throw Error(ExitCode::internal,
                  fmt::format("head_cross_entropy: target {} is {}, and the vocabulary has {} tokens", i,
                              target[i], vocabulary));
}

}  // namespace

at::Tensor head_cross_entropy(const at::Tensor& h, const at::Tensor& w, const at::Tensor& targets, double z) {
  if (h.dim() != 2 || w.dim() != 2 || h.size(1) != w.size(1) ||
      targets.sizes() != at::IntArrayRef({h.size(0)}) || targets.scalar_type() != at::kLong ||
      h.scalar_type() != w.scalar_type() || h.device() != w.device() || h.device() != targets.device())
    throw Error(ExitCode::internal,
                fmt::format("head_cross_entropy: h [{}], w [{}] and targets [{}] {} do not match",
                            fmt::join(h.sizes(), ", "), fmt::join(w.sizes(), ", "),
                            fmt::join(targets.sizes(), ", "), c10::toString(targets.scalar_type())));
  if (on_gpu(h)) return gpu::head_cross_entropy(h, w, targets, z);
  if (!h.is_meta()) check_targets(targets.contiguous(), w.size(0));
  return HeadCrossEntropy::apply(h, w, targets, z);
}

}  // namespace ebb::numerics
