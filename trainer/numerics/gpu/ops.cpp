// SPDX-License-Identifier: Apache-2.0
#include "numerics/gpu/ops.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "memory/cuda_library.h"
#include "memory/ledger.h"
#include "numerics/cpu/workspace.h"
#include "numerics/gpu/dry_ops.h"
#include "numerics/gpu/dry_table.h"

namespace ebb::numerics {

const CudaTable& cuda_table() {
  if (const CudaTable* const dry = gpu::dry_table()) return *dry;
  using Get = const CudaTable* (*)();
  static const CudaTable* const table =
      reinterpret_cast<Get>(memory::CudaLibrary::symbol("ebb_cuda_numerics"))();
  return *table;
}

void* cuda_stream(const at::Tensor& tensor) {
  if (tensor.is_meta()) return nullptr;
  return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(tensor.device()).native_handle();
}

at::Tensor cuda_partials(const at::Tensor& like, std::int64_t count, at::ScalarType type) {
  const memory::Tag tag(memory::Class::workspace, "numerics.partials");
  return at::empty({count}, at::TensorOptions().dtype(type).device(like.device()));
}

namespace gpu {
namespace {

// Number of blocks for a norm's gradient: enough to fill a large GPU, fewer for wide rows. Their partial sums
// then stay small beside their input. The number is the same on every device, and so is the order of sums.
std::int64_t norm_parts(std::int64_t rows, std::int64_t columns) {
  return std::clamp<std::int64_t>(std::clamp<std::int64_t>(786432 / columns, 128, 1024), 1,
                                  std::max<std::int64_t>(rows, 1));
}

std::int64_t column_parts(std::int64_t rows, std::int64_t columns) {
  return std::clamp<std::int64_t>(std::min(270336 / columns, (rows + 7) / 8), 1, 1024);
}

static_assert(kMaxNormColumnsOnGpu == kCudaWidestRow);

void require_width(std::int64_t columns) {
  if (columns > kCudaWidestRow)
    throw Error(ExitCode::usage, fmt::format("a norm of rows of {} elements: a GPU supports at most {}",
                                             columns, kCudaWidestRow));
}

}  // namespace

void norm(const at::Tensor& x, const at::Tensor& added, const at::Tensor& sum, const LowParts& low,
          const at::Tensor& w, const at::Tensor& b, double eps, const at::Tensor& y, const at::Tensor& mean,
          const at::Tensor& rstd) {
  require_width(x.size(-1));
  if (x.numel() == 0) return;
  cuda_table().norm(dtype_of(x), x.const_data_ptr(), address(added), address(sum),
                    {address(low.of_x), address(low.of_sum)}, w.const_data_ptr(), address(b),
                    static_cast<float>(eps), rstd.numel(), x.size(-1), y.mutable_data_ptr(),
                    static_cast<float*>(address(mean)), rstd.data_ptr<float>(), cuda_stream(x));
}

void norm_gradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& low, const at::Tensor& w,
                   const at::Tensor& mean, const at::Tensor& rstd, const at::Tensor& d_sum,
                   const NormGradients& out) {
  const std::int64_t columns = x.size(-1), parts = norm_parts(rstd.numel(), columns);
  const at::Tensor partial = cuda_partials(x, parts * 2 * columns, at::kFloat);
  cuda_table().norm_gradient(dtype_of(x), dy.const_data_ptr(), x.const_data_ptr(), address(low),
                             w.const_data_ptr(), static_cast<const float*>(address(mean)),
                             rstd.const_data_ptr<float>(), address(d_sum), rstd.numel(), columns,
                             out.dx.mutable_data_ptr(), parts, partial.data_ptr<float>(),
                             out.dw.mutable_data_ptr(), address(out.db), cuda_stream(x));
}

at::Tensor embedding(const at::Tensor& table, const at::Tensor& ids) {
  return table.is_meta() ? dry_embedding(table, ids) : at::embedding(table, ids);
}

cpu::LinearOutput linear_forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                                 Activation act, bool keep_pre_activation) {
  const at::Tensor pre_activation = b.defined() ? at::addmm(b, x, w.t()) : at::mm(x, w.t());
  if (act == Activation::none) return {pre_activation, {}};
  const at::Tensor y = keep_pre_activation ? at::empty_like(pre_activation) : pre_activation;
  if (y.numel() > 0)
    cuda_table().activation(dtype_of(x), act, pre_activation.const_data_ptr(), y.mutable_data_ptr(),
                            y.numel(), cuda_stream(x));
  return {y, keep_pre_activation ? pre_activation : at::Tensor()};
}

std::array<at::Tensor, 3> linear_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& w,
                                          const at::Tensor& saved, Activation act,
                                          std::array<bool, 3> wanted) {
  const std::int64_t rows = dy.size(0), columns = dy.size(1);
  const bool active = act != Activation::none;
  at::Tensor dz = dy;
  if (active) {
    const memory::Tag tag(memory::Class::workspace, "numerics.activation");
    dz = at::empty_like(dy);
  }
  at::Tensor db;
  if (wanted[2])
    db = dy.numel() == 0 ? at::zeros({columns}, dy.options()) : at::empty({columns}, dy.options());
  if ((active || wanted[2]) && dy.numel() > 0) {
    const std::int64_t parts = column_parts(rows, columns);
    const at::Tensor partial = wanted[2] ? cuda_partials(dy, parts * columns, at::kFloat) : at::Tensor();
    cuda_table().activation_gradient(dtype_of(dy), act, dy.const_data_ptr(), address(saved),
                                     active ? dz.mutable_data_ptr() : nullptr, rows, columns, parts,
                                     static_cast<float*>(address(partial)), address(db), cuda_stream(dy));
  }
  return {wanted[0] ? dz.mm(w) : at::Tensor(), wanted[1] ? dz.t().mm(x) : at::Tensor(), db};
}

}  // namespace gpu
}  // namespace ebb::numerics
