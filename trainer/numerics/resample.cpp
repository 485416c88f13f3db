// SPDX-License-Identifier: Apache-2.0
#include "numerics/resample.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "numerics/cpu/resample.h"
#include "numerics/dry_gpu.h"

namespace ebb::numerics {
namespace {

using cpu::Resampling;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor resampled(const at::Tensor& x, Resampling to, double factor);

// Each direction is, but for a factor, the adjoint of the other one: up = 4 down^T.
struct Resample : torch::autograd::Function<Resample> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, bool up, double factor) {
    ctx->saved_data["up"] = up;
    ctx->saved_data["factor"] = factor;
    return cpu::resample(x.contiguous(at::MemoryFormat::ChannelsLast), Resampling{up},
                         static_cast<float>(factor));
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    const bool up = ctx->saved_data["up"].toBool();
    const double factor = ctx->saved_data["factor"].toDouble();
    return {resampled(dy[0], up ? Resampling::down : Resampling::up, up ? 4 * factor : factor / 4), {}, {}};
  }
};

// With a depthwise convolution, for GPUs.
at::Tensor with_convolution(const at::Tensor& x, Resampling to, double factor) {
  const std::int64_t channels = x.size(1);
  const at::Tensor line = at::tensor({1.0, 3.0, 3.0, 1.0}, at::kDouble);
  const double scale = (to == Resampling::up ? 1.0 / 16 : 1.0 / 64) * factor;
  const at::Tensor kernel =
      (at::outer(line, line) * scale).to(x.options()).expand({channels, 1, 4, 4}).contiguous();
  return to == Resampling::up ? at::conv_transpose2d(x, kernel, {}, 2, 1, 0, channels)
                              : at::conv2d(x, kernel, {}, 2, 1, 1, channels);
}

at::Tensor resampled(const at::Tensor& x, Resampling to, double factor) {
  refuse_dry_gpu("resample", x);
  if (x.is_cuda()) return with_convolution(x, to, factor);
  return Resample::apply(x, to == Resampling::up, factor);
}

void check_image(const char* op, const at::Tensor& x, bool even) {
  if (x.dim() != 4 || (even && (x.size(2) % 2 != 0 || x.size(3) % 2 != 0)))
    throw Error(ExitCode::internal, fmt::format("{}: x [{}] is not an image [B, C, H, W]{}", op,
                                                fmt::join(x.sizes(), ", "), even ? " of even sides" : ""));
}

}  // namespace

at::Tensor upsample2(const at::Tensor& x) {
  check_image("upsample2", x, false);
  return resampled(x, Resampling::up, 1);
}

at::Tensor downsample2(const at::Tensor& x) {
  check_image("downsample2", x, true);
  return resampled(x, Resampling::down, 1);
}

}  // namespace ebb::numerics
