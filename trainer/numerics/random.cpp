// SPDX-License-Identifier: Apache-2.0
#include "numerics/random.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "numerics/cpu/workspace.h"
#include "numerics/gpu/ops.h"
#include "numerics/no_double_backward.h"

// Element (row, column) is number column % 4 of the block at counter (first_row + row, column / 4, stream).
// CPU and CUDA differ only in the last bits of the device's logarithm and cosine.
namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void draw_row(std::uint64_t seed, std::uint32_t stream, std::uint64_t row, std::int64_t columns, float* out) {
  for (std::int64_t c = 0; c < columns; c += 4) {
    const auto four =
        normals(random_bits(seed, static_cast<RandomStream>(stream), row, static_cast<std::uint32_t>(c / 4)));
    for (std::int64_t j = 0; j < std::min<std::int64_t>(4, columns - c); ++j)
      out[c + j] = four[static_cast<std::size_t>(j)];
  }
}

// body(row, eps [columns], a [columns], b [columns]) for each row, with buffers of its thread.
template <class Body>
void for_rows(std::int64_t rows, std::int64_t columns, const Body& body) {
  at::parallel_for(0, rows, std::max<std::int64_t>(1, 1024 / std::max<std::int64_t>(columns, 1)),
                   [&](std::int64_t begin, std::int64_t end) {
                     std::vector<float> space(static_cast<std::size_t>(3 * columns));
                     for (std::int64_t r = begin; r < end; ++r)
                       body(r, space.data(), space.data() + columns, space.data() + 2 * columns);
                   });
}

const char* row_of(const at::Tensor& t, std::int64_t r) {
  return static_cast<const char*>(t.const_data_ptr()) + r * t.size(1) * t.element_size();
}
char* row_in(const at::Tensor& t, std::int64_t r) {
  return static_cast<char*>(t.mutable_data_ptr()) + r * t.size(1) * t.element_size();
}

constexpr auto kLatent = static_cast<std::uint32_t>(RandomStream::latent);

struct Reparameterize : torch::autograd::Function<Reparameterize> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& mu_in, const at::Tensor& logvar_in,
                            std::int64_t seed, std::int64_t position) {
    const at::Tensor mu = mu_in.contiguous();
    const at::Tensor logvar = logvar_in.contiguous();
    ctx->save_for_backward({logvar});
    ctx->saved_data["seed"] = seed;
    ctx->saved_data["position"] = position;
    const at::Tensor z = at::empty(mu.sizes(), mu.options());
    if (mu.is_meta()) return z;
    const Dtype dtype = dtype_of(mu);
    const std::int64_t rows = mu.size(0);
    const std::int64_t columns = mu.size(1);
    if (mu.is_cuda()) {
      cuda_table().reparameterize(dtype, mu.const_data_ptr(), logvar.const_data_ptr(), z.mutable_data_ptr(),
                                  rows, columns, static_cast<std::uint64_t>(seed),
                                  static_cast<std::uint64_t>(position), cuda_stream(mu));
      return z;
    }
    for_rows(rows, columns, [&](std::int64_t r, float* eps, float* m, float* l) {
      draw_row(static_cast<std::uint64_t>(seed), kLatent, static_cast<std::uint64_t>(position + r), columns,
               eps);
      cpu::kernels().to_float(dtype, row_of(mu, r), m, columns);
      cpu::kernels().to_float(dtype, row_of(logvar, r), l, columns);
      for (std::int64_t c = 0; c < columns; ++c) m[c] += std::exp(0.5F * l[c]) * eps[c];
      cpu::kernels().from_float(dtype, m, row_in(z, r), columns);
    });
    return z;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dz_in) {
    refuse_second_derivative("reparameterize");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& logvar = saved[0];
    const at::Tensor dz = dz_in[0].contiguous();
    const auto seed = static_cast<std::uint64_t>(ctx->saved_data["seed"].toInt());
    const auto position = static_cast<std::uint64_t>(ctx->saved_data["position"].toInt());
    const at::Tensor d_logvar = at::empty(logvar.sizes(), logvar.options());
    if (logvar.is_meta()) return {dz, d_logvar, {}, {}};
    const Dtype dtype = dtype_of(logvar);
    const std::int64_t rows = logvar.size(0);
    const std::int64_t columns = logvar.size(1);
    if (logvar.is_cuda()) {
      cuda_table().reparameterize_gradient(dtype, dz.const_data_ptr(), logvar.const_data_ptr(),
                                           d_logvar.mutable_data_ptr(), rows, columns, seed, position,
                                           cuda_stream(logvar));
      return {dz, d_logvar, {}, {}};
    }
    for_rows(rows, columns, [&](std::int64_t r, float* eps, float* d, float* l) {
      draw_row(seed, kLatent, position + static_cast<std::uint64_t>(r), columns, eps);
      cpu::kernels().to_float(dtype, row_of(dz, r), d, columns);
      cpu::kernels().to_float(dtype, row_of(logvar, r), l, columns);
      for (std::int64_t c = 0; c < columns; ++c) d[c] *= 0.5F * std::exp(0.5F * l[c]) * eps[c];
      cpu::kernels().from_float(dtype, d, row_in(d_logvar, r), columns);
    });
    return {dz, d_logvar, {}, {}};
  }
};

}  // namespace

at::Tensor reparameterize(const at::Tensor& mu, const at::Tensor& logvar, std::uint64_t seed,
                          std::int64_t position) {
  if (mu.dim() != 2 || mu.sizes() != logvar.sizes() || mu.scalar_type() != logvar.scalar_type())
    throw Error(ExitCode::internal,
                fmt::format("reparameterize: mu [{}] and logvar [{}] need to be [B, Z] of one dtype",
                            fmt::join(mu.sizes(), ", "), fmt::join(logvar.sizes(), ", ")));
  return Reparameterize::apply(mu, logvar, static_cast<std::int64_t>(seed), position);
}

at::Tensor philox_normal(std::int64_t rows, std::int64_t columns, std::uint64_t seed, std::uint32_t stream,
                         std::int64_t first_row, at::ScalarType dtype, at::Device device) {
  const at::Tensor out = at::empty({rows, columns}, at::TensorOptions().dtype(dtype).device(device));
  const Dtype element = dtype_of(out);
  if (out.is_meta() || out.numel() == 0) return out;
  if (out.is_cuda()) {
    cuda_table().normal(element, out.mutable_data_ptr(), rows, columns, seed, stream,
                        static_cast<std::uint64_t>(first_row), cuda_stream(out));
    return out;
  }
  for_rows(rows, columns, [&](std::int64_t r, float* eps, float*, float*) {
    draw_row(seed, stream, static_cast<std::uint64_t>(first_row + r), columns, eps);
    cpu::kernels().from_float(element, eps, row_in(out, r), columns);
  });
  return out;
}

}  // namespace ebb::numerics
